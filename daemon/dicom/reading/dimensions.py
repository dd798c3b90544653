"""What tells images at one position of a series apart: echo, phase, b-value, time ...

The names are DICOM keywords of classic images; Enhanced MR gives the same fact another keyword (PS3.3, C.8.13).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from daemon.dicom.attributes import Attributes, PrivateName
from models.subject import Quantity

Key = tuple[str, ...] | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One fact: its name, the keywords that may hold it, and the unit of its numbers; no unit where it is words.

    ``private``: finds a number that scanners stated before the standard had a place for it. ``contrast``: images that
    differ by it do not show the same.
    """

    name: str
    keywords: tuple[str, ...]
    unit: str = ""
    private: Callable[[Attributes], tuple[float, ...]] | None = None
    contrast: bool = True

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return bool(self.unit)

    def quantity(self, key: Key) -> Quantity:
        """A value with its unit."""
        return Quantity(key, self.unit)

    def key(self, attributes: Attributes) -> Key:
        """The value in a form that sorts and compares; empty where the header is silent.

        Numbers are rounded to six digits: scanners repeat a value from image to image with noise in the last one.
        """
        for keyword in self.keywords:
            found = attributes.numbers(keyword) if self.numeric else attributes.texts(keyword)
            if found:
                return tuple(float(f"{n:.6g}") for n in found) if self.numeric else found
        return tuple(float(f"{n:.6g}") for n in self.private(attributes)) if self.private else ()


#: Nominal b-values of classic images by how their makers' names begin, as dcm2niix and the makers' own conformance
#: statements know them.
_B_VALUES: Final = {
    "siemens": PrivateName(0x0019, "SIEMENS MR HEADER", 0x0C, "IS"),
    "ge ": PrivateName(0x0043, "GEMS_PARM_01", 0x39, "IS"),
    "philips": PrivateName(0x2001, "Philips Imaging DD 001", 0x03, "FL"),
}
_DIRECTIONS: Final = {"siemens": PrivateName(0x0019, "SIEMENS MR HEADER", 0x0E, "FD")}
PRIVATE_NAMES: Final = (*_B_VALUES.values(), *_DIRECTIONS.values())
#: Newer GE software adds this to a b-value; the values behind it are its own affair.
_GE_OFFSET: Final = 1e9


def _b_value(attributes: Attributes) -> tuple[float, ...]:
    return tuple(value % _GE_OFFSET for value in _private(attributes, _B_VALUES)[:1])


def _direction(attributes: Attributes) -> tuple[float, ...]:
    return _private(attributes, _DIRECTIONS)


def _private(attributes: Attributes, names: Mapping[str, PrivateName]) -> tuple[float, ...]:
    maker = (attributes.text("Manufacturer") or "").casefold()
    name = next((name for beginning, name in names.items() if maker.startswith(beginning)), None)
    return attributes.private_numbers(name) if name else ()


#: After the R wave; some scanners count it through a whole time series.
TRIGGER_TIME: Final = Dimension("TriggerTime", ("NominalCardiacTriggerDelayTime", "TriggerTime"), "ms", contrast=False)
#: From what changes the contrast to what only repeats it; volumes are sorted in this order.
DIMENSIONS: Final = (
    Dimension("ImageType", ("FrameType", "ImageType")),
    Dimension("ComplexImageComponent", ("ComplexImageComponent",)),
    Dimension("ASLContext", ("ASLContext",)),
    Dimension("EchoNumbers", ("EchoNumbers",), "1"),
    Dimension("EchoTime", ("EffectiveEchoTime", "EchoTime"), "ms"),
    Dimension("InversionTime", ("InversionTimes", "InversionTime"), "ms"),
    Dimension("FlipAngle", ("FlipAngle",), "deg"),
    Dimension("DiffusionBValue", ("DiffusionBValue",), "s/mm2", private=_b_value),
    Dimension("DiffusionGradientOrientation", ("DiffusionGradientOrientation",), "1", private=_direction),
    Dimension("ReceiveCoilName", ("ReceiveCoilName",), contrast=False),
    Dimension(
        "TemporalPositionIdentifier", ("TemporalPositionIndex", "TemporalPositionIdentifier"), "1", contrast=False
    ),
    TRIGGER_TIME,
    Dimension("AcquisitionNumber", ("FrameAcquisitionNumber", "AcquisitionNumber"), "1", contrast=False),
)


def label(name: str, key: Key) -> str:
    r"""A fact as text, such as ``EchoTime=4.92``; values are separated by a backslash as in DICOM."""
    return f"{name}=" + "\\".join(f"{value:g}" if isinstance(value, float) else value for value in key)
