"""One number as a NUM content item (PS3.16, TID 300): its unit, its origin, its normal range or its error bars."""

from math import isfinite

from highdicom.sr import (
    Measurement,
    MeasurementProperties,
    NormalRangeProperties,
    NumContentItem,
    RelationshipTypeValues,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from daemon.core.measures import Measure
from daemon.dicom.report.codes import AGAINST_REFERENCE, OTHER_MEASURE, RANGE_ABOVE, RANGE_BELOW, coded, unit_code
from models.findings import Interval
from models.manifest import Manifest


def coded_measurement(measure: Measure, manifest: Manifest, authority: str) -> list[Measurement]:
    """A measure in the manifest's concepts; one without a code is named by the tracking identifier of its group."""
    entry, normality = manifest.signals[measure.name], _normality(measure, authority)
    if entry.code is None:
        return measurement(OTHER_MEASURE, measure.value, measure.unit, normality, method=AGAINST_REFERENCE)
    return measurement(
        coded(entry.code),
        measure.value,
        measure.unit,
        normality,
        method=None if entry.method is None else coded(entry.method),
        derivation=None if entry.derivation is None else coded(entry.derivation),
    )


def measurement(  # noqa: PLR0913 - what a measurement is made of
    name: Code,
    value: float,
    unit: str,
    properties: MeasurementProperties | None = None,
    *,
    method: Code | None = None,
    derivation: Code | None = None,
) -> list[Measurement]:
    """One NUM with its origin and its normal range or error bars (TID 300, 310, 312); none if it is not finite."""
    if not isfinite(value):
        return []
    return [
        Measurement(
            name=name,
            value=_rounded(value),
            unit=unit_code(unit),
            method=method,
            derivation=derivation,
            properties=properties,
        )
    ]


def _normality(measure: Measure, authority: str) -> MeasurementProperties | None:
    """The limits of the reference, and on which side of them the value lies (TID 312)."""
    if measure.usual is not None:
        return _range(measure, measure.usual, authority)
    if measure.limit is None or not isfinite(measure.limit):
        return None
    limit = NumContentItem(
        name=codes.cid223.NormalRangeUpperLimit,
        value=_rounded(measure.limit),
        unit=unit_code(measure.unit),
        relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
    )
    return MeasurementProperties(
        normality=codes.cid222.AbnormallyHigh if measure.abnormal else codes.cid222.Normal,
        normal_range_properties=NormalRangeProperties([limit], authority=authority),
    )


def _range(measure: Measure, usual: Interval, authority: str) -> MeasurementProperties | None:
    """The ends of what is usual (TID 312)."""
    low, high = usual
    if not all(map(isfinite, (measure.value, low, high))):
        return None
    ends = {codes.cid223.NormalRangeLowerLimit: low, codes.cid223.NormalRangeUpperLimit: high}
    limits = [
        NumContentItem(
            name=name,
            value=_rounded(end),
            unit=unit_code(measure.unit),
            relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
        )
        for name, end in ends.items()
    ]
    side = codes.cid222.AbnormallyHigh if measure.value > high else codes.cid222.AbnormallyLow
    return MeasurementProperties(
        normality=codes.cid222.Normal if low <= measure.value <= high else side,
        normal_range_properties=NormalRangeProperties(limits, authority=authority),
    )


def error_bars(volume_ml: float, interval_ml: Interval | None) -> MeasurementProperties | None:
    """How far the truth may lie above and below a volume (TID 310)."""
    if interval_ml is None or not all(isfinite(number) for number in (volume_ml, *interval_ml)):
        return None
    low, high = interval_ml
    bars = ((RANGE_ABOVE, high - volume_ml), (RANGE_BELOW, volume_ml - low))
    properties = MeasurementProperties()  # its own arguments for these have no unit
    properties.extend(
        NumContentItem(
            name=name,
            value=_rounded(max(0.0, length)),
            unit=unit_code("ml"),
            relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
        )
        for name, length in bars
    )
    return properties


def _rounded(value: float) -> float:
    """Six significant digits: what the decimal string and the float beside it both hold."""
    return float(f"{value:.6g}")
