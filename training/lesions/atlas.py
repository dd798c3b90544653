"""Label maps with the places where people's lesions were: masks in MNI space, brought onto each map by an affine.

Of the lesion masks (Lesjak et al. 2018, CC BY), those of the people who evaluate are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import SimpleITK
import torch
from torch import Tensor

from models.preprocess import canonical
from training.synthesis.labelmaps import ClassTable, LabelMap, generation_classes, load_class_table, read_label_map

#: Ventricles and choroid plexus, whose class the label maps share with the fluid in the sulci.
_VENTRICULAR = (4, 5, 14, 15, 43, 44, 72)
#: Bits of a voxel that tell its class; each mask has one of those above.
CLASS_BITS = 5
#: People whose images evaluate.
JUDGED_MASKS = ("ms-07", "ms-26")
#: Maps and masks of the heads that no segmenter is trained on.
HELD_MAPS, HELD_MASKS = 4, 6
_COARSE_MM = 3.0

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Atlas:
    """``heads``: label maps, int32 (i, j, k), a voxel's class in its lowest bits and above them a bit a lesion mask.

    ``table`` of the classes, the last of which is ``ventricles``; ``masks``: how many there are.
    """

    heads: tuple[LabelMap, ...]
    table: ClassTable
    ventricles: int
    masks: int

    def classes(self, voxels: Tensor) -> Tensor:
        """The class of each voxel."""
        return voxels & ((1 << CLASS_BITS) - 1)

    def mask(self, voxels: Tensor, number: int) -> Tensor:
        """Where a person's lesions were, bool."""
        there: Tensor = (voxels >> (CLASS_BITS + number)) & 1 > 0
        return there


def load_atlas(data: Path, cache: Path, *, held: bool = False) -> Atlas:
    """The atlas of the heads that train, or of those that are ``held`` back; registrations are kept in ``cache``.

    ``data``: the folder with labelmaps/, lesions/ and templates/.

    Raises:
        FileNotFoundError: a part of the data is missing.
    """
    folder = data / "labelmaps"
    paths = sorted(folder.glob("training_seg_*.nii.gz"))
    if not paths:
        raise FileNotFoundError(f"no training_seg_*.nii.gz in {folder}: point --data at the folder with labelmaps/")
    paths = paths[-HELD_MAPS:] if held else paths[:-HELD_MAPS]
    table, lookup = _classes(folder)
    masks, affine = _masks(data / "lesions" / "gold-masks", held=held)
    heads = []
    for path in paths:
        head = read_label_map(path, lookup, table)
        tissues = table.tissue[head.classes.numpy()]
        matrix = _to_mni(tissues, data / "templates" / "mni152-2mm", cache / f"{head.name}_to_mni.npy")
        heads.append(_with_masks(head, masks, np.linalg.inv(affine) @ matrix))
    count = int(masks.max()).bit_length()
    return Atlas(heads=tuple(heads), table=table, ventricles=len(table.tissue) - 1, masks=count)


def _classes(folder: Path) -> tuple[ClassTable, npt.NDArray[np.uint8]]:
    """The class table with a class of its own for the ventricles, and label -> class."""
    labels, classes = generation_classes(folder)
    plain = load_class_table(folder)
    table = ClassTable(
        np.append(plain.tissue, plain.tissue[1]),
        np.append(plain.mean, plain.mean[:, 1:2], axis=1),
        np.append(plain.spread, plain.spread[:, 1:2], axis=1),
    )
    lookup = np.zeros(labels.max() + 1, np.uint8)
    lookup[labels] = classes
    lookup[list(_VENTRICULAR)] = len(plain.tissue)
    return table, lookup


def _masks(folder: Path, *, held: bool) -> tuple[npt.NDArray[np.int32], Matrix]:
    """One bit a person, int32 (i, j, k), canonical, and the affine."""
    paths = [p for p in sorted(folder.glob("*_mask.nii.gz")) if not p.name.startswith(JUDGED_MASKS)]
    if not paths:
        raise FileNotFoundError(f"no lesion masks in {folder}: point --data at the folder with lesions/")
    bits: npt.NDArray[np.int32] | None = None
    affine = np.eye(4)
    for number, path in enumerate(paths[-HELD_MASKS:] if held else paths[:-HELD_MASKS]):
        image = nib.Nifti1Image.from_filename(path)
        mask, affine = canonical(np.asarray(image.dataobj) > 0, np.asarray(image.affine, float))
        one = mask.astype(np.int32) << number
        bits = one if bits is None else bits | one
    if bits is None:
        raise FileNotFoundError(f"too few lesion masks in {folder}: copy the folder again")
    return bits, affine


def _to_mni(tissues: npt.NDArray[np.uint8], template: Path, kept: Path) -> Matrix:
    """The registration, from ``kept`` if it is there."""
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, register(tissues, template))
    return np.asarray(np.load(kept), float)


def _with_masks(head: LabelMap, masks: npt.NDArray[np.int32], matrix: Matrix) -> LabelMap:
    """``matrix`` (4, 4): index of the head -> index of the masks."""
    classes = head.classes.numpy()
    bits = pulled(masks, matrix, classes.shape)
    packed = torch.from_numpy(classes.astype(np.int32) | (bits << CLASS_BITS))
    return LabelMap(head.name, packed, head.brain_centre)


def pulled(values: npt.NDArray[np.int32], matrix: Matrix, shape: Sequence[int]) -> npt.NDArray[np.int32]:
    """``values`` at the nearest place of each index of ``shape``; ``matrix`` (4, 4): index -> index of ``values``."""
    axes = [np.arange(n, dtype=np.float32) for n in shape]
    flat = np.zeros(tuple(shape), np.int64)
    inside = np.ones(tuple(shape), bool)
    for axis, size in enumerate(values.shape):
        m = matrix[axis].astype(np.float32)
        place = (m[0] * axes[0])[:, None, None] + (m[1] * axes[1])[:, None] + (m[2] * axes[2] + m[3])
        index = np.rint(place).astype(np.int32)
        inside &= (index >= 0) & (index < size)
        flat = flat * size + index.clip(0, size - 1)
    return np.where(inside, values.ravel()[flat], np.int32(0))


def register(tissue: npt.NDArray[np.uint8], template: Path) -> Matrix:
    """Affine (4, 4) from an index of a 1 mm label map to MNI mm, by least squares of the tissues' order."""
    parts = [nib.Nifti1Image.from_filename(template / f"MNI152_T1_2mm_Brain_FAST_pve_{n}.nii.gz") for n in range(3)]
    shares = [canonical(np.asarray(p.dataobj, np.float32), np.asarray(p.affine, float)) for p in parts]
    moving = _itk(np.sum([(n + 1) * share for n, (share, _) in enumerate(shares)], axis=0), shares[0][1])
    fixed = _itk(tissue.astype(np.float32), np.eye(4))
    start = SimpleITK.CenteredTransformInitializer(
        fixed, moving, SimpleITK.AffineTransform(3), SimpleITK.CenteredTransformInitializerFilter.MOMENTS
    )
    search = SimpleITK.ImageRegistrationMethod()
    search.SetMetricAsMeanSquares()
    search.SetInterpolator(SimpleITK.sitkLinear)
    search.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 150)
    search.SetOptimizerScalesFromPhysicalShift()
    search.SetInitialTransform(start, inPlace=False)
    found = search.Execute(fixed, moving)
    origin = np.asarray(found.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    for axis in range(3):
        unit = [float(a == axis) for a in range(3)]
        matrix[:3, axis] = np.asarray(found.TransformPoint(unit)) - origin
    matrix[:3, 3] = origin
    return matrix


def _itk(voxels: npt.NDArray[np.float32], affine: Matrix) -> SimpleITK.Image:
    """The image, averaged down to about 3 mm, its axes those of the affine (which must be parallel to the world's)."""
    spacing = np.diag(affine)[:3]
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(voxels.transpose(2, 1, 0)))
    image.SetSpacing([float(s) for s in spacing])
    image.SetOrigin([float(o) for o in affine[:3, 3]])
    shrunk: SimpleITK.Image = SimpleITK.BinShrink(image, [max(1, round(_COARSE_MM / float(s))) for s in spacing])
    return shrunk
