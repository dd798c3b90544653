"""What tells images at one position of a series apart: echo, phase, b-value, time ...

The names are DICOM keywords of classic images; Enhanced MR gives the same fact another keyword (PS3.3, C.8.13).
"""

from dataclasses import dataclass
from typing import Final

from daemon.dicom.attributes import Attributes

Key = tuple[str, ...] | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One fact: its name, the keywords that may hold it, and whether it is a number."""

    name: str
    keywords: tuple[str, ...]
    numeric: bool = True

    def key(self, attributes: Attributes) -> Key:
        """The value in a form that sorts and compares; empty where the header is silent.

        Numbers are rounded to six digits: scanners repeat a value from image to image with noise in the last one.
        """
        for keyword in self.keywords:
            found = attributes.numbers(keyword) if self.numeric else attributes.texts(keyword)
            if found:
                return tuple(float(f"{n:.6g}") for n in found) if self.numeric else found
        return ()


#: From what changes the contrast to what only repeats it; volumes are sorted in this order.
DIMENSIONS: Final = (
    Dimension("ImageType", ("FrameType", "ImageType"), numeric=False),
    Dimension("ComplexImageComponent", ("ComplexImageComponent",), numeric=False),
    Dimension("ASLContext", ("ASLContext",), numeric=False),
    Dimension("EchoNumbers", ("EchoNumbers",)),
    Dimension("EchoTime", ("EffectiveEchoTime", "EchoTime")),
    Dimension("InversionTime", ("InversionTimes", "InversionTime")),
    Dimension("FlipAngle", ("FlipAngle",)),
    Dimension("DiffusionBValue", ("DiffusionBValue",)),
    Dimension("DiffusionGradientOrientation", ("DiffusionGradientOrientation",)),
    Dimension("TemporalPositionIdentifier", ("TemporalPositionIndex", "TemporalPositionIdentifier")),
    Dimension("TriggerTime", ("NominalCardiacTriggerDelayTime", "TriggerTime")),
    Dimension("AcquisitionNumber", ("FrameAcquisitionNumber", "AcquisitionNumber")),
)


def label(name: str, key: Key) -> str:
    r"""A fact as text, such as ``EchoTime=4.92``; values are separated by a backslash as in DICOM."""
    return f"{name}=" + "\\".join(f"{value:g}" if isinstance(value, float) else value for value in key)
