"""A receiver process, and peers that send to it."""

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from builders.running.spool import contents, spool_settings
from daemon.edge.receiving.settings import ListenerSettings
from daemon.edge.receiving.status import ListenerCounts, read_status

ROOT = Path(__file__).parents[3]


class Receiver:
    """A receiver process on a port of its own, as the daemon starts it; ended at the end of a ``with`` block."""

    def __init__(
        self,
        folder: Path,
        spool: dict[str, object] | None = None,
        scanners: tuple[str, ...] = (),
        files: int | None = None,
        **listening: object,
    ) -> None:
        self.folder = folder
        settings = (
            spool_settings(folder, **spool or {}),
            ListenerSettings(**{"host": "127.0.0.1", "port": 0} | listening),
            scanners,
        )
        limited = [] if files is None else ["/usr/bin/prlimit", f"--nofile={files}:{files}"]
        with (folder.parent / "receiver.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*limited, sys.executable, "-W", "error", "-m", "daemon.line.intake"],
                stdin=subprocess.PIPE,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        self.process.stdin.write(pickle.dumps(settings))
        self.process.stdin.close()
        self.port = self._wait_for_port()

    def _wait_for_port(self) -> int:
        while self.process.poll() is None:
            status = read_status(self.folder)
            if status and status.pid == self.process.pid:
                return status.port
            time.sleep(0.02)
        raise AssertionError(f"the receiver ended with {self.process.returncode}: {self.log()}")

    def counts(self, **expected: int) -> ListenerCounts:
        """The counts, as soon as they are as expected; after a while, as they are."""
        for _ in range(100):
            status = read_status(self.folder)
            if status and all(getattr(status.counts, name) == number for name, number in expected.items()):
                break
            time.sleep(0.1)
        return status.counts

    def log(self) -> list[dict[str, object]]:
        """What was logged."""
        lines = (self.folder.parent / "receiver.log").read_text().splitlines()
        return [json.loads(line) if line.startswith("{") else {"event": line} for line in lines]

    def contents(self) -> dict[str, bytes]:
        """The data sets in the spool by SOP Instance UID."""
        return contents(self.folder)

    def kill(self) -> None:
        """Kill it as a power cut would, but for the disk's cache."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None and self.stop() and error is None:
            raise AssertionError(f"the receiver ended with {self.process.returncode}: {self.log()}")


def mr_dataset(number: int = 1, size: int = 64) -> Dataset:
    """A small MR image; ``size`` is its rows and columns."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = f"1.2.3.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    dataset.PatientID, dataset.PatientName, dataset.Modality = "nobody", "Nobody", "MR"
    dataset.Rows = dataset.Columns = size
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = random.Random(number).randbytes(2 * size * size)
    return dataset


def encoded(dataset: Dataset) -> bytes:
    """The data set as it goes over the wire in explicit little endian."""
    stream = BytesIO()
    body = Dataset(dataset)
    dcmwrite(stream, body, implicit_vr=False, little_endian=True)
    return stream.getvalue()


def write_series(folder: Path, count: int, size: int = 64) -> dict[str, bytes]:
    """Files for ``storescu``; returns the data sets by SOP Instance UID."""
    folder.mkdir(parents=True, exist_ok=True)
    sent = {}
    for number in range(1, count + 1):
        dataset = mr_dataset(number, size)
        sent[dataset.SOPInstanceUID] = encoded(dataset)
        dataset.save_as(folder / f"{number:05d}.dcm", enforce_file_format=True)
    return sent


def storescu(port: int, *arguments: object, title: str = "SCANSIDE") -> subprocess.CompletedProcess[str]:
    """DCMTK's sender."""
    return _dcmtk("storescu", "-aet", "SCANNER", "-aec", title, *arguments[:-1], "127.0.0.1", port, arguments[-1])


def echoscu(port: int, *arguments: object, title: str = "SCANSIDE") -> subprocess.CompletedProcess[str]:
    """DCMTK's echo."""
    return _dcmtk("echoscu", "-aet", "SCANNER", "-aec", title, *arguments, "127.0.0.1", port)


def _dcmtk(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [f"/usr/bin/{program}", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
