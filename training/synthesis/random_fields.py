"""Smooth random fields: bends, coil shading, mixed tissue."""

import numpy as np
import torch
from torch import Tensor

from training.synthesis.generators import Generators, Shape


def smooth_field(shape: Shape, wavelength: float, generators: Generators) -> Tensor:
    """Unit-variance Gaussian noise on a lattice of ``wavelength`` voxels, linearly interpolated: float32 ``shape``.

    The lattice is shifted at random, so that no voxel is a node more often than another.
    """
    nodes = [int(np.ceil(n / wavelength)) + 2 for n in shape]
    lattice = generators.host.standard_normal(nodes).astype(np.float32)
    weights = []
    for n, m in zip(shape, nodes, strict=True):
        position = np.arange(n) / wavelength + generators.host.uniform(0, 1)
        weights.append(np.clip(1 - np.abs(position[:, None] - np.arange(m)), 0, None).astype(np.float32))
    return along_axes(torch.from_numpy(lattice).to(generators.device), weights)


def along_axes(voxels: Tensor, weights: list[np.ndarray[tuple[int, int], np.dtype[np.float32]]]) -> Tensor:
    """``voxels`` (n0, n1, n2) with a matrix (m, n) applied along each axis: float32 (m0, m1, m2)."""
    result = voxels
    for axis, matrix in enumerate(weights):
        there = torch.from_numpy(matrix).to(voxels.device)
        result = torch.tensordot(there, result, dims=([1], [axis])).movedim(0, axis)
    return result.contiguous()
