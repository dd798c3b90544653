"""The slices of a series as pictures, as long as its images are in the spool."""

from collections.abc import Iterator
from io import BytesIO
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset

from daemon.core.errors import NotAssessable, SpoolError
from daemon.core.values import Series
from daemon.dicom.reading.objects import read_image
from daemon.dicom.reading.volumes import arrange, decode
from daemon.edge.database.index import Index
from daemon.edge.spool.reader import SpoolReader

#: Larger series are not shown: 512 x 512 x 256.
_VOXELS_MAX: Final = 1 << 26
_BYTES_MAX: Final = 1 << 29
#: Grey values between which pictures are drawn, in percent of the voxels.
_WINDOW: Final = (1.0, 99.5)

Slices = npt.NDArray[np.uint8]
_NONE: Final = np.zeros((0, 0, 0), np.uint8)


class SpoolSlices:
    """Slices of the first volume of a series; the volume asked for last stays in memory, as bytes."""

    def __init__(self, index: Index, spool: SpoolReader) -> None:
        self._index = index
        self._spool = spool
        self._lock = Lock()
        self._kept: tuple[str, Slices] | None = None

    def is_there(self, series_instance_uid: str) -> bool:
        """Whether every image of a closed series is still in the spool."""
        series = self._index.newest(series_instance_uid)
        return series is not None and self._are_there(series)

    def count(self, series_instance_uid: str) -> int:
        """How many there are; 0 where the images are gone, are too many, or are no volume."""
        return len(self._slices(series_instance_uid))

    def png(self, series_instance_uid: str, number: int) -> bytes | None:
        """One slice, counted from 0; None where there is none."""
        slices = self._slices(series_instance_uid)
        if not 0 <= number < len(slices):
            return None
        stream = BytesIO()
        Image.fromarray(slices[number]).save(stream, "PNG")
        return stream.getvalue()

    def _slices(self, series_instance_uid: str) -> Slices:
        series = self._index.newest(series_instance_uid)
        if series is None or not self._are_there(series):
            return _NONE
        key = f"{series_instance_uid} {series.revision}"
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                self._kept = key, self._read(series)
            return self._kept[1]

    def _are_there(self, series: Series) -> bool:
        there = {segment.name for segment in self._spool.segments()}
        return {instance.arrival.segment for instance in series.instances} <= there

    def _read(self, series: Series) -> Slices:
        """(slice, row, column); none where the images cannot be read."""
        if sum(instance.arrival.length for instance in series.instances) > _BYTES_MAX:
            return _NONE
        try:
            stack = arrange(self._datasets(series), _VOXELS_MAX)[0]
            volume = decode([stack], _VOXELS_MAX).voxels[0]
        except (NotAssessable, SpoolError):
            return _NONE
        return _drawn(np.asarray(volume, np.float32))

    def _datasets(self, series: Series) -> Iterator[Dataset]:
        for instance in series.instances:
            if not instance.damaged:
                yield read_image(self._spool.dataset(instance.arrival), instance.arrival.transfer_syntax_uid)


def _drawn(volume: npt.NDArray[np.float32]) -> Slices:
    """(i, j, k) in grey values; rows run as the first image's do."""
    low, high = np.percentile(volume, _WINDOW)
    grey = np.clip((volume - low) / max(float(high - low), 1e-9) * 255, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(grey.transpose(2, 1, 0))
