"""The coded concepts of our reports that are the same whatever is judged; the others are in the bundles' manifests.

Standard terms first, then our own scheme with its definitions.

A private code's meaning never changes; a new meaning gets a new code value (PS3.3, 8.1). The table ``DEFINITIONS``
is shipped in the DICOM conformance statement.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from daemon.core.people.words import Language
from daemon.core.values import State
from daemon.dicom.text import SHORT_STRING, plain
from daemon.dicom.uids import CODING_SCHEME_UID
from models.manifest import Code as ManifestCode

PRIVATE_SCHEME: Final = "99SCANSIDE"


def _private(value: str, meaning: str) -> Code:
    return Code(value, PRIVATE_SCHEME, meaning)


# --- the frame of the document (PS3.16, TID 1500, 1600, 4019) ---
LANGUAGES: Final[Mapping[Language, Code]] = MappingProxyType(
    {
        Language.ENGLISH: Code("en", "RFC5646", "English"),
        Language.GERMAN: Code("de", "RFC5646", "German"),
    }
)
MRI_PROCEDURE: Final = Code("25056-3", "LN", "MRI unspecified body region")
QUALITATIVE_EVALUATIONS: Final = Code("C0034375", "UMLS", "Qualitative Evaluations")
SOURCE_IMAGE: Final = Code("260753009", "SCT", "Source")
TARGET_REGION: Final = codes.DCM.TargetRegion
PIXELS: Final = Code("{pixels}", "UCUM", "Pixels")
ARTIFICIAL_INTELLIGENCE: Final = codes.DCM.ArtificialIntelligence

# --- the verdict (PS3.16, TID 4014 and CID 6044) ---
VERDICT: Final = _private("QV00", "Scan-time quality verdict")
ACCEPTABLE: Final = _private("QV01", "Acceptable")
BORDERLINE: Final = _private("QV02", "Borderline")
RESCAN: Final = _private("QV03", "Rescan recommended")
NOT_ASSESSED: Final = _private("QV09", "Not assessed")
DECISION_THRESHOLDS: Final = _private("QS01", "Scanside decision thresholds")

VERDICTS: Final[Mapping[State, Code]] = MappingProxyType(
    {
        State.ACCEPT: ACCEPTABLE,
        State.REVIEW: BORDERLINE,
        State.RESCAN: RESCAN,
        State.NOT_ASSESSED: NOT_ASSESSED,
    }
)
#: CID 6044. "Renders image unusable" (111235) is a reader's call and never ours; not assessed asserts nothing.
QUALITY_ASSESSMENTS: Final[Mapping[State, Code]] = MappingProxyType(
    {
        State.ACCEPT: codes.cid6044.UsableMeetsTheQualityControlStandard,
        State.REVIEW: codes.cid6044.UsableDoesNotMeetTheQualityControlStandard,
        State.RESCAN: codes.cid6044.UsableDoesNotMeetTheQualityControlStandard,
    }
)

OTHER_STRUCTURE: Final = _private("UF20", "Structure named by the tracking identifier")

# --- measurements and how they were made ---
PRESENCE: Final = _private("UM07", "Probability that the artifact is present")
OTHER_MEASURE: Final = _private("UM20", "Measure named by the tracking identifier")

RATING: Final = _private("UP02", "Rating of signals against their reference")
AGAINST_REFERENCE: Final = _private("UP03", "Comparison with reference series")
NETWORK_OUTPUT: Final = _private("UP04", "Output of the network")
#: TID 310; pydicom's dictionary lacks them.
RANGE_ABOVE: Final = Code("371886008", "SCT", "+, range of upper measurement uncertainty")
RANGE_BELOW: Final = Code("371885007", "SCT", "-, range of lower measurement uncertainty")
SEGMENTED_VOLUME: Final = _private("UP05", "Volume of the segmented structure")

RATING_UNIT: Final = Code("{0:100}", "UCUM", "range:0:100")

DEFINITIONS: Final[Mapping[Code, str]] = MappingProxyType(
    {
        VERDICT: "The answer given at the scanner: can these images carry their task?",
        ACCEPTABLE: "All signals lie within their reference limits.",
        BORDERLINE: "A signal lies outside its reference limit, but does not justify a rescan: a person should look.",
        RESCAN: "An image signal lies so far outside its reference limit that the series should be acquired again.",
        NOT_ASSESSED: "The series could not be judged; the comment names the reason.",
        DECISION_THRESHOLDS: "The reference limits of the model bundle, with the configuration named by its digest.",
        OTHER_STRUCTURE: "A structure segmented by the bundle that has no code here; the tracking identifier names it.",
        PRESENCE: "The network's probability, 0 to 1, that the artefact is present in the series.",
        OTHER_MEASURE: "A measure of the bundle that has no code here; the tracking identifier names it.",
        RATING: "100 without uncertainty, 50 where the task begins to be impaired, falling towards 0.",
        AGAINST_REFERENCE: "Compared with the same number of the reference series in the bundle's manifest.",
        NETWORK_OUTPUT: "Read from the network's output without further modelling.",
        SEGMENTED_VOLUME: "Sum of the network's probability of the structure over all voxels, times the voxel volume.",
    }
)


def coded(code: ManifestCode) -> Code:
    """A concept of a bundle's manifest."""
    return Code(code.value, code.scheme, code.meaning)


_UNITS: Final[Mapping[str, Code]] = MappingProxyType(
    {
        "": codes.UCUM.NoUnits,
        "1": codes.UCUM.NoUnits,
        "{ratio}": codes.UCUM.Ratio,
        "ratio": codes.UCUM.Ratio,
        "%": codes.UCUM.Percent,
        "ml": codes.UCUM.CubicCentimeter,
        "mL": codes.UCUM.CubicCentimeter,
    }
)
_UNKNOWN_UNIT: Final = Code("{unknown}", "UCUM", "unknown unit")


def unit_code(unit: str) -> Code:
    """The UCUM code of a unit; what cannot be a UCUM code is reported as an unknown unit, never as another one."""
    if unit in _UNITS:
        return _UNITS[unit]
    is_code = unit == plain(unit, SHORT_STRING) and " " not in unit
    return Code(unit, "UCUM", unit) if is_code else _UNKNOWN_UNIT


def coding_schemes() -> list[CodingSchemeIdentificationItem]:
    """The schemes beyond the standard's own, for (0008,0110) Coding Scheme Identification Sequence (PS3.3, C.12.1)."""
    ours = CodingSchemeIdentificationItem(
        designator=PRIVATE_SCHEME,
        name="Scanside codes",
        version="1",
        responsible_organization="Scanside",
    )
    ours.CodingSchemeUID = CODING_SCHEME_UID  # highdicom writes a UID only beside a registry, which we have none of
    radlex = CodingSchemeIdentificationItem(
        designator="RADLEX",
        name="RadLex",
        registry="HL7",
        uid="2.16.840.1.113883.6.256",
    )
    return [ours, radlex]
