"""The open whole-head label maps (SynthSeg's training maps, Apache-2.0) as anatomies to draw images from.

Source of the maps, the tissue classes and the T1 intensity priors: Billot et al., Medical Image Analysis 2023.
"""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

#: The tissues that the brain bundle segments; the index is the label.
TISSUES = ("background", "CSF", "grey matter", "white matter")
CSF, GREY, WHITE = 1, 2, 3

_TISSUE_OF = {
    CSF: (4, 5, 14, 15, 24, 30, 43, 44, 62, 72, 136, 137, 163, 164),
    GREY: (3, 8, 10, 11, 12, 13, 17, 18, 26, 42, 47, 49, 50, 51, 52, 53, 54, 58),
    WHITE: (2, 7, 16, 25, 28, 41, 46, 57, 60, 85),
}
_SOFT_TISSUE = 507  # muscle and all else under the skin: what the neck is continued with

Classes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class LabelMap:
    """One head: the intensity class of every voxel, uint8 (i, j, k), 1 mm, canonical RAS."""

    name: str
    classes: Tensor
    brain_centre: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClassTable:
    """What is known of each intensity class: its tissue and its T1 priors.

    ``tissue`` (C,) uint8; ``mean`` and ``spread`` (2, C) float64: the normal priors (mean; standard deviation) of
    the class's mean intensity and of its standard deviation, on a scale where white matter is about 160.
    """

    tissue: npt.NDArray[np.uint8]
    mean: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]

    @property
    def outside(self) -> npt.NDArray[np.bool_]:
        """Classes of the head that are neither air nor brain, (C,)."""
        outside: npt.NDArray[np.bool_] = self.tissue == 0
        outside[0] = False
        return outside


def load_class_table(folder: Path) -> ClassTable:
    """The class table beside the label maps."""
    labels, classes = generation_classes(folder)
    tissue = np.zeros(classes.max() + 1, np.uint8)
    for value, members in _TISSUE_OF.items():
        tissue[classes[np.isin(labels, members)]] = value
    return ClassTable(tissue, np.load(folder / "prior_means_t1.npy"), np.load(folder / "prior_stds_t1.npy"))


def load_label_maps(folder: Path, device: torch.device | str = "cpu") -> list[LabelMap]:
    """All label maps of the folder, in the order of their names, on ``device``.

    Raises:
        FileNotFoundError: the folder holds no label map.
    """
    paths = sorted(folder.glob("training_seg_*.nii.gz"))
    if not paths:
        raise FileNotFoundError(f"no training_seg_*.nii.gz in {folder}: point --data at the folder with labelmaps/")
    labels, classes = generation_classes(folder)
    table = np.zeros(labels.max() + 1, np.uint8)
    table[labels] = classes
    return [read_label_map(path, table, load_class_table(folder), device) for path in paths]


def generation_classes(folder: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The labels of the maps (L,), and the class of each."""
    labels = np.load(folder / "generation_labels.npy").astype(int)
    return labels, np.load(folder / "generation_classes_contrast_specific.npy").astype(int)


def read_label_map(path: Path, table: Classes, properties: ClassTable, device: torch.device | str = "cpu") -> LabelMap:
    """One file; ``table``: label -> class, 0 beyond its end; ``properties`` of those classes."""
    image = nib.as_closest_canonical(nib.load(path))
    voxels = np.asarray(image.dataobj).astype(int)
    voxels[voxels >= table.size] = 0
    classes = _trim(table[voxels])
    centre = _centre_of(properties.tissue[classes] >= GREY)
    whole = torch.from_numpy(_extend_neck(classes, table, properties)).to(device)
    return LabelMap(path.name.split(".")[0], whole, centre + np.array([0, 0, _NECK]))


def _centre_of(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The mean place of the voxels in a mask (i, j, k), (3,)."""
    slabs = [mask.sum(axis=tuple(other for other in range(3) if other != axis)) for axis in range(3)]
    centre: npt.NDArray[np.float64] = np.array([np.arange(n.size) @ n for n in slabs]) / mask.sum()
    return centre


def _trim(classes: Classes) -> Classes:
    """Cut the empty slices below the head."""
    filled = np.flatnonzero(classes.any(axis=(0, 1)))
    return classes[:, :, filled[0] :]


_NECK = 160  # slices added below: enough for every field of view that synthesis draws


def _extend_neck(classes: Classes, table: Classes, properties: ClassTable) -> Classes:
    """Continue a head that ends at the skull base or the chin by mirroring its lowest slices without their brain.

    A network that has never seen tissue below the brain calls neck and face brain.
    """
    below = np.concatenate([classes[:, :, 1:], classes[:, :, ::-1]], axis=2)[:, :, :_NECK].copy()
    below[properties.tissue[below] > 0] = table[_SOFT_TISSUE]
    return np.concatenate([below[:, :, ::-1], classes], axis=2)
