"""From stored values to those of volumes: rescaled, padding made background, the right way round."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from daemon.core.errors import NotAssessable, Reason
from daemon.dicom.reading.frames import Frame
from daemon.dicom.reading.pixels import PixelSource, Stored
from models.subject import Volumes, Voxels

Values = npt.NDArray[np.float32]


class VolumesInFile:
    """The volumes of a series too large to be held, (T, i, j, k): each is decoded when it is asked for.

    The first one is kept; all others are decoded again whenever they are asked for again.

    Raises:
        NotAssessable, SpoolError: as ``values_of``, of the first volume.
    """

    def __init__(self, volumes: Sequence[Sequence[Frame]]) -> None:
        self._volumes = volumes
        self._first = _volume(values_of(volumes[0]))

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, i, j, k)."""
        return len(self), *self._first.shape

    def __len__(self) -> int:
        return len(self._volumes)

    def __getitem__(self, t: int, /) -> Voxels:
        """The volume at ``t``, (i, j, k).

        Raises:
            IndexError: there are fewer.
            NotAssessable, SpoolError: as ``values_of``.
        """
        frames = self._volumes[t]
        return self._first if frames is self._volumes[0] else _volume(values_of(frames))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[np.generic]:  # noqa: FBT001 - numpy's protocol
        """All of it, (T, i, j, k), without a second copy on the way."""
        if copy is False:
            raise ValueError("the volumes lie in files: there is no array without a copy")
        whole = np.empty(self.shape, dtype or np.float32)
        for t in range(len(self)):
            whole[t] = self[t]
        return whole


def volumes_of(volumes: Sequence[Sequence[Frame]], voxels_max: int) -> Volumes:
    """Volumes of one shape, (T, i, j, k): an array if it has ``voxels_max`` voxels at most.

    Raises:
        NotAssessable: as ``values_of``; TOO_LARGE, one to be turned over, for which all of it is needed at once.
        SpoolError: as ``values_of``.
    """
    columns, rows = volumes[0][0].shape
    slices = len(volumes[0])
    if len(volumes) * slices * rows * columns > voxels_max:
        if any(frame.source.inverted for frames in volumes for frame in frames):
            raise NotAssessable(Reason.TOO_LARGE, f"{len(volumes)} inverted volumes")
        return VolumesInFile(volumes)
    values = values_of([frame for frames in volumes for frame in frames])
    return values.reshape(len(volumes), slices, rows, columns).transpose(0, 3, 2, 1)


def _volume(values: Values) -> Voxels:
    """(frames, rows, columns) as (i, j, k)."""
    return values.transpose(2, 1, 0)


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
