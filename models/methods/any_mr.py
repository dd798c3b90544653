"""Any MR image: what is body and what air, and image quality measures of both, without a network.

The numbers mean little by themselves: what is usual of them is the past of each protocol (``Manifest.past``).
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import isfinite

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle, structured
from models.findings import Findings, Lack, NotThis, SiteSource, Structure, View
from models.graphs import Run
from models.manifest import Manifest
from models.methods.agreement import hold_to
from models.physics.spectrum import is_flat
from models.quality.artefact_numbers import artefact_numbers
from models.quality.foreground import FloatArray, Mask, find_regions
from models.quality.iqm import measures_of
from models.quality.region import MEASURES_OF_REGION
from models.quality.runs import fold, measures_of_run
from models.subject import Image, Subject

#: The role of the one image, and the one structure: what is brighter than air.
ROLE, BODY = "image", "foreground"
#: Every number that is given; directions are those of the columns, rows and slices of the image.
SIGNALS = (
    *(f"summary_{region}_{name}" for region in ("fg", "bg") for name in MEASURES_OF_REGION),
    *("dark_level", "cut_both_ends", "lines_rough"),
    *("snr", "snrd", "fber", "efc", "qi_1_rayleigh", "cjv", "cnr"),
    *("fwhm_x", "fwhm_y", "fwhm_z", "fwhm_avg", "gsr_x", "gsr_y", "inu_range"),
    *("slice_step", "slice_step_at", "interleave", "zeros", "clipped"),
    *("tsnr", "dvars_nstd", "drift", "spike_volumes", "spike_at", "dropped_slices", "dropped_volume", "dropped_at"),
)
#: What makes the contrast of a volume.
_CONTRAST = ("DiffusionBValue", "InversionTime", "FlipAngle", "ASLContext", "EchoTime")


#: Correlation of a voxel with its neighbours in the plane, below which a volume is noise.
_UNLIKE = 0.1
#: Voxels along each axis without which a spectrum is not asked.
_LEAST_SIDE = 16
_LARGE_SIDE = 48
#: So many slices tell noise.
_MOST_SLICES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyMrSettings:
    """What a bundle says to this method: nothing yet."""


class AnyMr:
    """Measures one MR image of any anatomy, contrast and geometry, or a run of volumes.

    A run of one contrast is measured by the mean of its volumes, one of several (diffusion) by its first volume.

    Raises:
        BundleError: the bundle's names are not those of this method.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._manifest = bundle.manifest
        structured(bundle.manifest.settings, AnyMrSettings)
        hold_to(bundle.manifest, _faults(bundle.manifest))

    def examine(self, subject: Subject, _graphs: Mapping[str, Run]) -> Findings:
        """Every measure that can be taken of the image.

        Raises:
            NotThis: it holds no signal: one value everywhere, nothing that is brighter than the rest, or noise alone.
        """
        image, began = subject.images[ROLE], time.perf_counter()
        first = _finite(image.voxels[0])
        regions = find_regions(first) if first.max() > first.min() else None
        if regions is None:
            raise NotThis(Lack.FLAT, "nothing is brighter than the rest" if first.any() else "")
        if _is_noise(first, image.affine):
            raise NotThis(Lack.FLAT, "nothing but noise")
        shown, in_time = first, {}
        if len(image.voxels) > 1:
            run = fold((_finite(image.voxels[number]) for number in range(len(image.voxels))), regions.body)
            contrasts = _contrasts(image)
            in_time = measures_of_run(run, contrasts)
            if len(set(contrasts)) == 1:
                shown, regions = run.mean, find_regions(run.mean) or regions
        found = measures_of(shown, regions, image.acquisition.phase_axis) | in_time
        known = {name: value for name, value in found.items() if name in self._manifest.signals and isfinite(value)}
        return Findings(
            signals=tuple(self._manifest.signal(name, value) for name, value in known.items()),
            structures=(Structure(name=BODY, volume_ml=_volume_ml(regions.body, image)),),
            source=SiteSource(numbers=partial(self._numbers, first, image, found), structure=regions.body.ravel),
            view=View(image=shown, affine=image.affine, region=regions.body, outlined=regions.body),
            maps={"foreground": partial(regions.body.astype, np.uint8)},
            seconds={"infer": time.perf_counter() - began},
        )

    def _numbers(self, first: FloatArray, image: Image, measures: Mapping[str, float]) -> dict[str, float]:
        """What artefacts are told by, of the ``first`` volume; the ``measures`` of a still image are its own."""
        past = self._manifest.past
        if len(image.voxels) > 1:
            measures = measures_of(first, find_regions(first), image.acquisition.phase_axis)
        return artefact_numbers(first, image.affine, measures, past.measured if past else ())


def _faults(manifest: Manifest) -> Iterator[str]:
    """How a manifest departs from the names that this method gives."""
    past = manifest.past
    if past is None:
        yield "it compares nothing with a past"
    elif wrong := set(manifest.signals) ^ {*SIGNALS, past.deviation, past.artefact}:
        yield f"signals {', '.join(sorted(wrong))} are missing or not this method's"
    if tuple(manifest.structures) != (BODY,):
        yield f"structures are not {BODY}"
    if tuple(manifest.inputs) != (ROLE,):
        yield f"inputs are not {ROLE}"
    if manifest.graphs:
        yield "this method runs no graph"


def _finite(voxels: FloatArray) -> FloatArray:
    """The voxels, what is no number as 0; without a copy where all are."""
    known = isfinite(voxels.min()) and isfinite(voxels.max())
    return np.ascontiguousarray(voxels if known else np.nan_to_num(voxels, posinf=0.0, neginf=0.0), np.float32)


def _contrasts(image: Image) -> list[tuple[str, ...]]:
    """What makes the contrast of each volume; of diffusion the weighting, for directions differ less."""
    return [tuple(str(one.get(name, "")) for name in _CONTRAST) for one in image.dimensions]


def _volume_ml(body: Mask, image: Image) -> float:
    return np.count_nonzero(body) * abs(float(np.linalg.det(image.affine[:3, :3]))) / 1000


def _is_noise(volume: FloatArray, affine: npt.NDArray[np.float64]) -> bool:
    """Whether no voxel of a volume (i, j, k) tells of its neighbours in the plane, or its spectrum is flat.

    Of many slices or voxels some say as much as all.
    """
    slices = volume[:, :, :: max(1, volume.shape[2] // _MOST_SLICES)]
    values = slices - slices.mean(dtype=np.float64).astype(np.float32)
    alike = [
        float((first * second).mean()) for first, second in ((values[1:], values[:-1]), (values[:, 1:], values[:, :-1]))
    ]
    if max(alike) < _UNLIKE * float(values.var()):
        return True
    step = max(1, min(volume.shape) // _LARGE_SIDE)
    return min(volume.shape) >= _LEAST_SIDE and is_flat(volume[::step, ::step, ::step], affine)
