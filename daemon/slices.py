"""The slices of a series as pictures, as long as its images are in the spool."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
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
from daemon.dicom.report.picture.overlay import Overlay, unpack
from daemon.edge.database.index import Index
from daemon.edge.files.reports import Reports
from daemon.edge.spool.reader import SpoolReader

#: Larger series are not shown: 512 x 512 x 256.
_VOXELS_MAX: Final = 1 << 26
_BYTES_MAX: Final = 1 << 29
#: Grey values between which pictures are drawn, in percent of the voxels.
_WINDOW: Final = (1.0, 99.5)

Slices = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Volume:
    """``grey``: (slice, row, column); ``affine``: of voxels (column, row, slice) to RAS mm; ``overlay``: if any."""

    key: str
    grey: Slices
    affine: npt.NDArray[np.float64]
    overlay: Overlay | None


class SpoolSlices:
    """Slices of the first volume of a series; the volume asked for last stays in memory, as bytes."""

    def __init__(self, index: Index, spool: SpoolReader, reports: Reports) -> None:
        self._index = index
        self._spool = spool
        self._reports = reports
        self._lock = Lock()
        self._kept: _Volume | None = None

    def is_there(self, series_instance_uid: str) -> bool:
        """Whether every image of a closed series is still in the spool."""
        series = self._index.newest(series_instance_uid)
        return series is not None and self._are_there(series)

    def count(self, series_instance_uid: str) -> int:
        """How many there are; 0 where the images are gone, are too many, or are no volume."""
        volume = self._volume(series_instance_uid)
        return 0 if volume is None else len(volume.grey)

    def has_overlay(self, series_instance_uid: str) -> bool:
        """Whether something can be drawn over them."""
        volume = self._volume(series_instance_uid)
        return volume is not None and volume.overlay is not None

    def png(self, series_instance_uid: str, number: int) -> bytes | None:
        """One slice, counted from 0; None where there is none."""
        volume = self._volume(series_instance_uid)
        if volume is None or not 0 <= number < len(volume.grey):
            return None
        return _png(volume.grey[number])

    def overlay(self, series_instance_uid: str, number: int) -> bytes | None:
        """What is drawn over one slice, clear elsewhere; None where there is nothing to draw."""
        volume = self._volume(series_instance_uid)
        if volume is None or volume.overlay is None or not 0 <= number < len(volume.grey):
            return None
        rows, columns = volume.grey.shape[1:]
        return _png(volume.overlay.draw(volume.affine, (columns, rows), number))

    def _volume(self, series_instance_uid: str) -> _Volume | None:
        series = self._index.newest(series_instance_uid)
        if series is None or not self._are_there(series):
            return None
        path = self._reports.overlay(self._index.card_id(series_instance_uid), series.revision)
        key = f"{series_instance_uid} {series.revision} {path.exists()}"
        with self._lock:
            if self._kept is None or self._kept.key != key:
                self._kept = self._read(series, key, path)
            return self._kept

    def _are_there(self, series: Series) -> bool:
        there = {segment.name for segment in self._spool.segments()}
        return {instance.arrival.segment for instance in series.instances} <= there

    def _read(self, series: Series, key: str, overlay: Path) -> _Volume | None:
        """None where the images cannot be read."""
        if sum(instance.arrival.length for instance in series.instances) > _BYTES_MAX:
            return None
        try:
            stack = arrange(self._datasets(series), _VOXELS_MAX)[0]
            image = decode([stack], _VOXELS_MAX)
            grey = _drawn(np.asarray(image.voxels[0], np.float32))
        except (NotAssessable, SpoolError):
            return None
        return _Volume(key=key, grey=grey, affine=image.affine, overlay=_kept_overlay(overlay))

    def _datasets(self, series: Series) -> Iterator[Dataset]:
        for instance in series.instances:
            if not instance.damaged:
                yield read_image(self._spool.dataset(instance.arrival), instance.arrival.transfer_syntax_uid)


def _drawn(volume: npt.NDArray[np.float32]) -> Slices:
    """(i, j, k) in grey values; rows run as the first image's do."""
    low, high = np.percentile(volume, _WINDOW)
    grey = np.clip((volume - low) / max(float(high - low), 1e-9) * 255, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(grey.transpose(2, 1, 0))


def _kept_overlay(path: Path) -> Overlay | None:
    """None where none was kept, or none that can be read."""
    with suppress(OSError, ValueError):
        return unpack(path.read_bytes())
    return None


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()
