"""Objects that Scanside made: an archive that forwards them back must not make us judge our own reports.

They are known by their maker and their SOP class, so that another installation's are ignored as well; the images of
the demo's scanner are made here too, and are images.
"""

from typing import Final

from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    KeyObjectSelectionDocumentStorage,
    ParametricMapStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from daemon.dicom.attributes import Attributes

#: By these two a receiver knows our own objects when an archive routes them back.
MANUFACTURER: Final = "Scanside"
MODEL_NAME: Final = "Scanside"

#: What a report may hold, now or in a later version.
_REPORTS: Final = frozenset(
    {
        Comprehensive3DSRStorage,
        ComprehensiveSRStorage,
        EnhancedSRStorage,
        KeyObjectSelectionDocumentStorage,
        ParametricMapStorage,
        SecondaryCaptureImageStorage,
        SegmentationStorage,
    }
)


def is_own(header: Attributes, sop_class_uid: str = "") -> bool:
    """Whether Scanside made the object; ``sop_class_uid`` as its sender stated it, else as the header does."""
    return (
        (sop_class_uid or header.text("SOPClassUID")) in _REPORTS
        and header.text("Manufacturer") == MANUFACTURER
        and header.text("ManufacturerModelName") == MODEL_NAME
    )
