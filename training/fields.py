"""Smooth random fields: bends, coil shading, mixed tissue."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def smooth_field(shape: tuple[int, int, int], wavelength: float, rng: np.random.Generator) -> FloatArray:
    """Unit-variance Gaussian noise on a lattice of ``wavelength`` voxels, linearly interpolated: float32 ``shape``.

    The lattice is shifted at random, so that no voxel is a node more often than another.
    """
    nodes = [int(np.ceil(n / wavelength)) + 2 for n in shape]
    field: FloatArray = rng.standard_normal(nodes).astype(np.float32)
    for axis, (n, m) in enumerate(zip(shape, nodes, strict=True)):
        position = np.arange(n) / wavelength + rng.uniform(0, 1)
        weights = np.clip(1 - np.abs(position[:, None] - np.arange(m)), 0, None).astype(np.float32)
        field = np.moveaxis(np.tensordot(weights, field, axes=(1, axis)), 0, axis)
    return field
