"""Report objects and summary pictures on disk; whoever publishes a verdict writes them (``line/workflow``)."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydicom import dcmread

from daemon.core.values import ReportKind, ReportObject, ReportReference
from daemon.edge.private import make_folder

_KINDS = {"SR": ReportKind.SR}


class Reports:
    """A folder of DICOM files named by SOP instance UID; of pictures and what they draw, by card and revision."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder = folder

    def picture(self, card_id: str, revision: int) -> Path:
        """Where the picture of one verdict lies."""
        return self._folder / f"{card_id}-{revision}.png"

    def overlay(self, card_id: str, revision: int) -> Path:
        """Where that lies."""
        return self._folder / f"{card_id}-{revision}.overlay"

    def sizes(self) -> dict[str, tuple[int, float]]:
        """Size in bytes and time of writing of every file, by its name."""
        with os.scandir(self._folder) as entries:
            return {name: (stat.st_size, stat.st_mtime) for name, stat in _stats(entries)}

    def names(self, card_id: str, revision: int, objects: Iterable[str]) -> list[str]:
        """The files of one verdict: its picture, what that draws, and its objects, there or not."""
        own = (self.picture(card_id, revision), self.overlay(card_id, revision))
        return [*(path.name for path in own), *(self.path(uid).name for uid in objects)]

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; those that are not there are removed."""
        for name in names:
            (self._folder / name).unlink(missing_ok=True)

    def load(self, sop_instance_uid: str) -> ReportObject:
        """Read one object back."""
        path = self.path(sop_instance_uid)
        header = dcmread(path, specific_tags=["SOPClassUID", "SeriesInstanceUID", "Modality"], stop_before_pixels=True)
        return ReportObject(
            kind=_KINDS.get(header.Modality, ReportKind.SUMMARY),
            sop_instance_uid=sop_instance_uid,
            sop_class_uid=str(header.SOPClassUID),
            series_instance_uid=str(header.SeriesInstanceUID),
            payload=path.read_bytes(),
        )

    def reference(self, sop_instance_uid: str) -> ReportReference:
        """How a later report refers to a stored one."""
        stored = self.load(sop_instance_uid)
        return ReportReference(
            sop_class_uid=stored.sop_class_uid,
            sop_instance_uid=stored.sop_instance_uid,
            series_instance_uid=stored.series_instance_uid,
        )

    def path(self, sop_instance_uid: str) -> Path:
        """Where an object lies."""
        return self._folder / f"{sop_instance_uid}.dcm"


def _stats(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[str, os.stat_result]]:
    for entry in entries:
        try:
            yield entry.name, entry.stat()
        except FileNotFoundError:  # a draft that has taken its place
            continue
