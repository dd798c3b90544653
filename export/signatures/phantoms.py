"""Bodies of simple shapes and random contrast: a spine, a knee, an abdomen.

A protocol has its contrast and its noise; people of one protocol differ in size, place, shading and texture. Every
number comes from a generator, so that nobody's images are needed to fit or to show anything.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

Volume = npt.NDArray[np.float32]
Axes = tuple[Volume, Volume, Volume]
#: A shape, bool (i, j, k), at coordinates from -1 to 1.
Shape = Callable[[Axes], npt.NDArray[np.bool_]]
#: Standard deviations: of a person's size and place, of the texture and the shading, in their wholes.
_SIZE, _PLACE, _TEXTURE, _SHADING = 0.04, 0.03, 0.06, 0.12
_BRIGHTEST = 800.0


@dataclass(frozen=True, kw_only=True)
class Body:
    """What is imaged: its matrix, its voxels in mm, and its tissues, of which a later one lies over those before."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    tissues: tuple[Shape, ...]


def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float], power: float = 2.0) -> Shape:
    """A superellipsoid; ``power`` above 2 squares it, an infinite radius makes it a cylinder."""

    def inside(axes: Axes) -> npt.NDArray[np.bool_]:
        parts = (np.abs((x - c) / r) ** power for x, c, r in zip(axes, centre, radii, strict=True))
        return np.asarray(sum(parts) < 1)

    return inside


_LONG = float("inf")
SPINE = Body(
    shape=(112, 128, 18),
    spacing=(2.5, 2.5, 4.0),
    tissues=(
        ellipsoid((0.0, 0.0, 0.0), (0.62, _LONG, 1.6), 4),
        *(ellipsoid((-0.05, y, 0.0), (0.16, 0.08, 0.5), 4) for y in np.linspace(-0.9, 0.9, 9).tolist()),
        *(ellipsoid((-0.05, y, 0.0), (0.15, 0.025, 0.5), 4) for y in np.linspace(-0.79, 0.79, 8).tolist()),
        ellipsoid((0.2, 0.0, 0.0), (0.08, _LONG, 0.2)),
        ellipsoid((0.2, 0.0, 0.0), (0.04, _LONG, 0.12)),
    ),
)
KNEE = Body(
    shape=(104, 104, 26),
    spacing=(1.6, 1.6, 3.0),
    tissues=(
        ellipsoid((0.0, 0.0, 0.0), (0.62, _LONG, 0.9)),
        ellipsoid((0.0, 0.0, 0.0), (0.52, _LONG, 0.8)),
        ellipsoid((-0.05, -0.62, 0.0), (0.33, 0.52, 0.6), 3),
        ellipsoid((-0.02, 0.62, 0.0), (0.3, 0.55, 0.55), 3),
        ellipsoid((-0.44, -0.25, 0.0), (0.1, 0.2, 0.25)),
        ellipsoid((0.02, 0.02, 0.0), (0.3, 0.05, 0.5)),
    ),
)
ABDOMEN = Body(
    shape=(120, 96, 28),
    spacing=(3.0, 3.0, 6.0),
    tissues=(
        ellipsoid((0.0, 0.0, 0.0), (0.88, 0.78, _LONG), 2.4),
        ellipsoid((0.0, 0.0, 0.0), (0.78, 0.66, _LONG), 2.4),
        ellipsoid((0.38, -0.08, 0.2), (0.34, 0.45, 0.8)),
        ellipsoid((-0.5, 0.1, 0.3), (0.16, 0.22, 0.5)),
        *(ellipsoid((x, 0.28, -0.4), (0.1, 0.14, 0.4)) for x in (-0.34, 0.34)),
        ellipsoid((0.0, 0.34, 0.0), (0.13, 0.14, _LONG), 3),
        ellipsoid((0.06, 0.1, 0.0), (0.05, 0.05, _LONG)),
        ellipsoid((-0.15, -0.3, -0.3), (0.2, 0.14, 0.5)),
    ),
)
BODIES: Mapping[str, Body] = {"spine": SPINE, "knee": KNEE, "abdomen": ABDOMEN}


def people(body: Body, count: int, seed: int) -> Iterator[Volume]:
    """Magnitude images, float32 (i, j, k), whole numbers, of ``count`` people of one protocol, which is the seed's."""
    rng = np.random.default_rng(seed)
    levels = rng.permutation(np.linspace(0.15, 1, len(body.tissues)) + rng.uniform(-0.05, 0.05, len(body.tissues)))
    noise = float(rng.uniform(0.012, 0.03))
    for _ in range(count):
        yield _person(body, levels.tolist(), noise, rng)


def _person(body: Body, levels: list[float], noise: float, rng: np.random.Generator) -> Volume:
    axes = np.meshgrid(*(np.linspace(-1, 1, side, dtype=np.float32) for side in body.shape), indexing="ij")
    sizes, places = 1 + _SIZE * rng.standard_normal(3), _PLACE * rng.standard_normal(3)
    own: Axes = tuple((x - place) / size for x, size, place in zip(axes, sizes, places, strict=True))
    clean = np.zeros(body.shape, np.float32)
    for tissue, level in zip(body.tissues, levels, strict=True):
        clean[tissue(own)] = level * (1 + 0.03 * rng.standard_normal())
    clean = gaussian_filter(clean * (1 + _TEXTURE * _texture(body.shape, rng)), 0.5)
    slope = _SHADING * rng.standard_normal(3)
    clean *= np.exp(sum(s * x for s, x in zip(slope, axes, strict=True)))
    scale = _BRIGHTEST * float(np.exp(0.1 * rng.standard_normal()))
    two = (noise * rng.standard_normal(body.shape, np.float32) for _ in range(2))
    return np.asarray(np.rint(scale * np.hypot(clean + next(two), next(two))), np.float32)


def _texture(shape: tuple[int, int, int], rng: np.random.Generator) -> Volume:
    """Structure of several sizes, standard deviation 1."""
    fine, coarse = (gaussian_filter(rng.standard_normal(shape, np.float32), width) for width in (1.0, 3.0))
    both = fine / fine.std() + coarse / coarse.std()
    return np.asarray(both / both.std(), np.float32)
