"""Each person as the network is to see them: the box about the brain and some room, lesions and tissues beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.findings import NotThis
from models.lesions.prediction import GRAPH, IMAGES, whole_masks
from models.methods.lesions import ROLE
from models.preprocess import FloatArray, Grid, canonical, resample
from models.subject import Subject, still
from training.bids.faults import BidsError, Fault, Finding
from training.bids.finding import Scan
from training.lesions.own.people import read_person, write_people
from training.lesions.own.start import MARGIN, Start
from training.lesions.people import Person


class Window(NamedTuple):
    """``image`` (D, H, W), white matter about 1; ``lesions``: share of each voxel; ``tissues`` (3, D, H, W).

    Tissues are CSF, grey and white matter as the network that is gone on from sees them; what is left is none.
    """

    image: FloatArray
    lesions: FloatArray
    tissues: FloatArray


def write_windows(folder: Path, scans: Sequence[Scan], start: Start) -> None:
    """The people of some scans in ``folder``, with a window of each image beside it; what is there stays.

    Raises:
        BidsError: with every image in which no head is found.
    """
    lost = []
    for scan, image in zip(scans, write_people(folder, scans), strict=True):
        path = window_of(image)
        if not path.exists():
            try:
                _save(window(read_person(image), start), path)
            except NotThis as error:
                found = str(error)
                lost.append(Finding(fault=Fault.NO_HEAD, where=scan.image.name, person=scan.person, found=found))
    if lost:
        raise BidsError(lost)


def window_of(image: Path) -> Path:
    """Where the window of an image lies."""
    return image.with_name(image.name.replace("_FLAIR.nii.gz", "_window.npz"))


def window(person: Person, start: Start) -> Window:
    """The FLAIR as the method prepares it, the mask's share of each voxel there, tissues by the bundle's own network.

    Raises:
        NotThis: no signal, or no head.
    """
    settings = start.settings
    larger = tuple(side + 2 * MARGIN for side in settings.grid.box)
    method = start.method(box=larger)  # type: ignore[arg-type]
    prepared = method.prepare(Subject(images={ROLE: still(person.voxels, person.affine)}), start.graphs)
    inner = (slice(MARGIN, -MARGIN),) * 3
    served = np.ascontiguousarray(prepared.images[:, :, *inner])
    tissues = np.zeros((3, *larger), np.float32)
    tissues[:, *inner] = start.graphs[GRAPH]({IMAGES: served, **whole_masks(settings.channels)})["tissue"][0, 1:]
    mask, affine = canonical(person.mask.astype(np.float32), person.affine)
    return Window(
        image=prepared.images[0, 0], lesions=resample(mask, Grid(mask.shape, affine), prepared.grid), tissues=tissues
    )


def read_window(path: Path) -> Window:
    """What was written there, float32."""
    with np.load(path) as stored:
        return Window(*(np.asarray(stored[name], np.float32) for name in Window._fields))


def _save(made: Window, path: Path) -> None:
    """In half precision, beside its place, then there."""
    partial = path.with_suffix(".part.npz")
    np.savez(partial, **{name: part.astype(np.float16) for name, part in made._asdict().items()})
    partial.rename(path)
