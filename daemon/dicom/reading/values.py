"""From stored values to those of a volume: rescaled, padding made background, the right way round."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.reading.frames import Frame
from daemon.dicom.reading.pixels import PixelSource, Stored

Values = npt.NDArray[np.float32]


def values_of(frames: Sequence[Frame]) -> Values:
    """The values of frames of one shape, (frames, rows, columns), float32, brighter where there is more signal.

    The bytes of each object are checked first. Padding (PS3.3, C.7.5.1.1.2) becomes what air is: the value of a stored
    zero, or the lowest there is. MONOCHROME1 (C.7.6.3.1.2) is turned over at the highest value there is.

    Raises:
        NotAssessable: UNREADABLE, pixel data are damaged; UNSUPPORTED, some images are inverted and some are not.
        SpoolError: the objects are not what was received, or can no longer be read.
    """
    sources = {frame.source for frame in frames}
    if len({source.inverted for source in sources}) > 1:
        raise NotAssessable(Reason.UNSUPPORTED, "images of two photometric interpretations")
    columns, rows = frames[0].shape
    values = np.empty((len(frames), rows, columns), np.float32)
    for k, stored in _stored(frames):
        frame, padding = frames[k], frames[k].source.padding
        values[k] = stored.astype(np.float32) * np.float32(frame.slope) + np.float32(frame.intercept)
        if padding is not None:
            values[k][(stored >= padding[0]) & (stored <= padding[1])] = np.nan
    return _righted(values, frames[0]) if any(source.inverted or source.padding for source in sources) else values


def _righted(values: Values, frame: Frame) -> Values:
    """Values in which padding is NaN, as those of an image that has none and is not inverted."""
    padded = np.isnan(values)
    if padded.all():
        return np.zeros_like(values)
    if frame.source.inverted:
        np.subtract(np.nanmax(values), values, out=values)
    if padded.any():
        lowest = float(np.nanmin(values))
        values[padded] = lowest if frame.source.inverted else min(lowest, frame.intercept)
    return values


def _stored(frames: Sequence[Frame]) -> Iterator[tuple[int, Stored]]:
    """Each frame's number and stored values, object by object in the order of its pixel data; each decoded once."""
    wanted: dict[PixelSource, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for k, frame in enumerate(frames):
        wanted[frame.source][frame.index].append(k)
    for source, numbers in wanted.items():
        source.encoded.check()
        indices = sorted(numbers)
        for index, image in zip(indices, source.images(indices), strict=True):
            for k in numbers[index]:
                tile = frames[k].tile
                yield k, image if tile is None else image[tile.rows, tile.columns]
