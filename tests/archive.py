"""A real DICOM archive for tests: Orthanc on free ports, with everything it keeps in a folder of the test."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ORTHANC = "/usr/sbin/Orthanc"
DICOMWEB = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
STORESCU = "/usr/bin/storescu"


@dataclass(frozen=True, slots=True)
class Archive:
    """A running Orthanc."""

    dicom_port: int
    http_port: int

    def store(self, *paths: Path) -> str:
        """Send files by DCMTK's C-STORE SCU and return what it says; fails unless each is answered with success."""
        command = [STORESCU, "-v", "-xt", "-aec", "ORTHANC", "-R", "127.0.0.1", str(self.dicom_port), *map(str, paths)]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        said = finished.stdout + finished.stderr
        assert 0 == finished.returncode, said
        assert len(paths) == said.count("Received Store Response (Success)"), said
        return said

    def counts(self) -> tuple[int, int, int, int]:
        """Patients, studies, series and instances."""
        statistics = json.loads(self._get("/statistics"))
        return tuple(statistics[f"Count{level}"] for level in ("Patients", "Studies", "Series", "Instances"))

    def instance(self, sop_instance_uid: str) -> bytes:
        """The stored file of one instance."""
        found = json.loads(self._get("/tools/lookup", data=sop_instance_uid.encode()))
        assert 1 == len(found)
        return self._get(f"/instances/{found[0]['ID']}/file")

    def order(self) -> list[str]:
        """SOP instance UIDs in the order in which they were stored; what is stored twice stands there twice."""
        changes, last = [], 0
        while True:
            page = json.loads(self._get(f"/changes?since={last}&limit=1000"))
            changes += [change["ID"] for change in page["Changes"] if change["ChangeType"] == "NewInstance"]
            last = page["Last"]
            if page["Done"]:
                return [json.loads(self._get(f"/instances/{i}"))["MainDicomTags"]["SOPInstanceUID"] for i in changes]

    def forget(self, sop_instance_uid: str) -> None:
        """Delete one instance."""
        (found,) = json.loads(self._get("/tools/lookup", data=sop_instance_uid.encode()))
        url = f"http://127.0.0.1:{self.http_port}/instances/{found['ID']}"
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=120).close()

    def _get(self, path: str, data: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", data=data, timeout=120) as answer:
            return answer.read()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def running_archive(folder: Path, archive: Archive | None = None, **options: object) -> Iterator[Archive]:
    """Start Orthanc with its storage in ``folder``, and ``archive``'s ports; stop it by its process at the end."""
    if shutil.which(ORTHANC) is None or shutil.which(STORESCU) is None:
        pytest.skip("Orthanc or DCMTK is not installed")
    archive = archive or Archive(free_port(), free_port())
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": archive.http_port,
        "DicomPort": archive.dicom_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
        "OverwriteInstances": False,
    } | options
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (
        (folder / "orthanc.log").open("wb") as log,
        subprocess.Popen([ORTHANC, str(folder / "orthanc.json")], stdout=log, stderr=log) as process,
    ):
        try:
            _wait(archive, process)
            yield archive
        finally:
            process.terminate()
            process.wait(120)


def _wait(archive: Archive, process: subprocess.Popen[bytes]) -> None:
    """Until it answers; half a minute is far more than it ever needs."""
    for _ in range(150):
        try:
            archive.counts()
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, "Orthanc ended at its start: see orthanc.log in the test's folder"
            time.sleep(0.2)
        else:
            return
    pytest.fail("Orthanc does not answer")
