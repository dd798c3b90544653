"""Hearts whose truth is known: a stack that beats, and graphs that say of it what a perfect network would."""

import numpy as np
from scipy import ndimage

from models.cine.crops import CROP
from models.cine.plausibility import MASK_GRAPH
from models.cine.reading import DETAIL_GRAPH, SEGMENT_GRAPH

#: A short axis as scanners take it: rows to the left and up, columns down and back, base first (RAS).
SHORT = np.array([[-0.79, -0.38, -0.48, 10.0], [0.0, -0.79, 0.62, -20.0], [0.61, -0.49, -0.62, 5.0], [0, 0, 0, 1]])
BRIGHT = {0: 40.0, 1: 200.0, 2: 90.0, 3: 220.0}


def affine(pixel_mm=1.5, gap_mm=10.0):
    scaled = SHORT.copy()
    scaled[:3, :3] *= (pixel_mm, pixel_mm, gap_mm)
    return scaled


def anatomy(radius, side=150, slices=8, at=(70, 80)):
    """Left ventricle in its ring, a right one beside it, thinner towards the apex; labels (x, y, slice)."""
    x, y = np.ogrid[:side, :side]
    labels = np.zeros((side, side, slices), np.uint8)
    for k in range(slices):
        r = radius * (1 - 0.6 * k / (slices - 1))
        distance = np.hypot(x - at[0], y - at[1])
        labels[(np.hypot(x - at[0] + 20, y - at[1]) < r), k] = 1
        labels[distance < r + 5, k] = 2
        labels[distance < r, k] = 3
    return labels


def beat(count=12, side=150, slices=8, noise=2.0):
    """Frames (T, x, y, slice): a heart that contracts until phase 5; and its radii."""
    radii = 16 + 4 * np.cos(2 * np.pi * np.arange(count) / count) - 0.5 * np.sin(2 * np.pi * np.arange(count) / count)
    chance = np.random.default_rng(0)
    intensity = np.vectorize(BRIGHT.get)
    frames = np.stack([intensity(anatomy(r, side, slices)) for r in radii]).astype(np.float32)
    frames = ndimage.gaussian_filter(frames, (0, 0.7, 0.7, 0))
    return frames + chance.normal(0, noise, frames.shape).astype(np.float32), radii


def told(slices):
    """What a perfect network says of slices (N, 3, CROP, CROP) of these hearts: by brightness and place."""
    image = slices[:, 1]
    smooth = ndimage.gaussian_filter(image, (0, 1, 1))
    bright = smooth > (np.quantile(smooth, 0.995, (1, 2), keepdims=True) + np.median(smooth, (1, 2), keepdims=True)) / 2
    labels = np.zeros(image.shape, int)
    for n, one in enumerate(bright):
        pieces, count = ndimage.label(one)
        if count:
            centres = ndimage.center_of_mass(one, pieces, range(1, count + 1))
            right = max(range(count), key=lambda i: centres[i][0])
            labels[n][pieces > 0] = 1
            labels[n][pieces == right + 1] = 3
            ring = ndimage.binary_dilation(labels[n] == 3, iterations=5) & (labels[n] != 3)
            labels[n][ring] = 2
    return 8.0 * np.eye(4, dtype=np.float32)[labels].transpose(0, 3, 1, 2)


def graphs():
    def detail(inputs):
        logits = told(inputs["image"])
        factor = np.zeros((len(logits), 2, 4, CROP, CROP), np.float32)
        factor[:, 0, 3], factor[:, 1, 1] = 6.0, 6.0
        return {"logits": logits, "distances": np.ones_like(logits[:, 1:]), "factor": factor}

    return {
        SEGMENT_GRAPH: lambda inputs: {"logits": told(inputs["image"])},
        DETAIL_GRAPH: detail,
        MASK_GRAPH: lambda inputs: {"logits": 8 * inputs["shares"]},
    }
