"""Which presentation contexts the receiver accepts (conformance statement; PS3.4 annexes A, B and F, PS3.5 annex A)."""

from pydicom import uid

VERIFICATION = uid.UID("1.2.840.10008.1.1")

#: Modality Performed Procedure Step (PS3.4 annex F), and how its data sets may be encoded.
PROCEDURE_STEP = uid.UID("1.2.840.10008.3.1.2.3.3")
STEP_SYNTAXES = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian)

#: Multi-frame MR. A scanner that finds these refused may send the same series as classic single frames instead.
ENHANCED_MR = (
    uid.EnhancedMRImageStorage,
    uid.EnhancedMRColorImageStorage,
    uid.LegacyConvertedEnhancedMRImageStorage,
)

#: Judged where the reader can; everything else is stored and answered with NOT_ASSESSED, or ignored with a reason.
STORAGE_SOP_CLASSES = (
    uid.MRImageStorage,
    *ENHANCED_MR,
    uid.MRSpectroscopyStorage,
    uid.RawDataStorage,
    uid.SecondaryCaptureImageStorage,
    uid.MultiFrameSingleBitSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
    uid.GrayscaleSoftcopyPresentationStateStorage,
    uid.SegmentationStorage,
    uid.UID("1.2.840.10008.5.1.4.1.1.66.7"),  # Label Map Segmentation: pydicom has no name for it yet
    uid.ParametricMapStorage,
    uid.BasicTextSRStorage,
    uid.EnhancedSRStorage,
    uid.ComprehensiveSRStorage,
    uid.Comprehensive3DSRStorage,
    uid.KeyObjectSelectionDocumentStorage,
    uid.EncapsulatedPDFStorage,
)

#: In order of preference: of those a scanner proposes, the first in this list is taken. Uncompressed first, so that
#: the scanner decodes what it can; lossless before lossy, which is stored and not judged. Not deflated: inflating has
#: no bound of its own, and whoever can deflate must offer an uncompressed syntax beside it (PS3.5, 10.1).
TRANSFER_SYNTAXES = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.JPEGLosslessSV1,
    uid.JPEGLossless,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.RLELossless,
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLSNearLossless,
    uid.JPEG2000,
    uid.HTJ2K,
)
