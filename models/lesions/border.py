"""Where a lesion ends: half of the way up from white matter to the lesions of the same image.

The network says where lesions are. How far its probability falls at a border depends on the contrast of the heads that
it learnt from and on its training's length; the width at half of the maximum depends on the image alone.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.preprocess import FloatArray

#: Voxels this near to a lesion do not tell how white matter looks.
_APART = 2


def level_of_border(image: FloatArray, probability: FloatArray, white: npt.NDArray[np.bool_], share: float) -> float:
    """The intensity from which a voxel can be lesion: ``share`` of the way from white matter to lesions, by medians.

    ``image`` and ``probability`` of lesion, ``white``: where white matter is, all (D, H, W). Lesions are told by the
    voxels of half of the largest probability or more. White matter is 1 where none is left; the level is never below.
    """
    certain = probability >= probability.max() / 2
    apart = white & ~ndimage.binary_dilation(certain, iterations=_APART)
    base = float(np.median(image[apart])) if apart.any() else 1.0
    return base + share * max(0.0, float(np.median(image[certain])) - base)
