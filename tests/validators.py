"""Independent judges of our objects: each returns what it has to complain about, in its own words."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

_PIXELMED = Path("/usr/share/java/pixelmed.jar")


def run(*command: str | Path) -> str:
    """Standard output and error together; fails where the tool ends with an error."""
    tool = str(command[0])
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    finished = subprocess.run(
        [str(part) for part in command], capture_output=True, encoding="latin-1", timeout=300, check=False
    )
    output = finished.stdout + finished.stderr
    assert 0 == finished.returncode, output
    return output


def dciodvfy(path: Path) -> list[str]:
    """Errors and warnings of dicom3tools; it ends with 1 when there are errors, so the exit status says nothing new."""
    if shutil.which("/usr/bin/dciodvfy") is None:
        pytest.skip("dicom3tools is not installed")
    finished = subprocess.run(
        ["/usr/bin/dciodvfy", "-new", str(path)], capture_output=True, encoding="latin-1", timeout=120, check=False
    )
    lines = (finished.stdout + finished.stderr).splitlines()
    return [line for line in lines if line.startswith(("Error", "Warning"))]


#: dicom3tools knows no private coding scheme, which is what 99 designators are for (PS3.16, 8.2).
_PRIVATE_SCHEME = re.compile(r"Unrecognized defined term = <(99SCANSIDE|2\.25\.\d+)>")
#: True of the source: a DICOMDIR could not be built from it.
_DICOMDIR = re.compile(r"Missing attribute or value that would be needed to build DICOMDIR")


def unexpected_dciodvfy(path: Path) -> list[str]:
    """What dciodvfy finds, less the private scheme."""
    return [line for line in dciodvfy(path) if not _PRIVATE_SCHEME.search(line)]


def without_dicomdir(lines: list[str]) -> list[str]:
    """For a source without PatientID or study time."""
    return [line for line in lines if not _DICOMDIR.search(line)]


def dcsrdump(path: Path) -> list[str]:
    """Complaints of dicom3tools' reader of the content tree; the tree itself goes to standard error too."""
    lines = run("/usr/bin/dcsrdump", path).splitlines()
    return [line for line in lines if line.startswith(("Error", "Warning"))]


def dsrdump(path: Path) -> str:
    """The tree as DCMTK reads it, its texts and codes whole; fails where it does not."""
    return run("/usr/bin/dsrdump", "-Dv", "+Pl", "+Pc", path)


def dsr2html(path: Path, page: Path, *options: str) -> str:
    """The page that DCMTK makes of the report."""
    run("/usr/bin/dsr2html", "-Dv", *options, path, page)
    return page.read_text("utf-8")


#: What DicomSRValidator says of every correct report: wildcard rows of TID 300 compete with those that match
#: (TID 310 and 312), and its templates of 2022 do not know TID 4019 and qualitative evaluations in TID 1501 yet.
_PIXELMED_FALSE = (
    re.compile(r"Template 300 .*\[Row (9|10)\] NUM .*expected INFERRED FROM - found HAS PROPERTIES"),
    re.compile(r"Template 300 .*\[Row 2\] CODE .*expected HAS CONCEPT MOD - found HAS PROPERTIES"),
    re.compile(r"^Warning: .*/CODE \((QV00,99SCANSIDE|11105[012],DCM),.*Content Item not in template$"),
)


def pixelmed(paths: Iterable[Path]) -> list[list[str]]:
    """Errors and warnings of PixelMed's template checker for each report, less its false alarms."""
    if not _PIXELMED.exists() or shutil.which("javac") is None:
        pytest.skip("libpixelmed-java or a JDK is not installed")
    limits = [f"-Djdk.xml.xpath{name}Limit=0" for name in ("ExprOp", "TotalOp", "ExprGrp")]
    options = ["-XX:+UseSerialGC", "-Xss64m", "-Xmx3g", "-cp", str(_PIXELMED)]
    output = run("java", *limits, *options, Path(__file__).with_name("TemplateChecker.java"), *paths)
    answers = re.split("^File .*\n", output, flags=re.MULTILINE)[1:]
    assert all("IOD validation complete" in answer for answer in answers)
    return [_complaints(answer) for answer in answers]


def _complaints(answer: str) -> list[str]:
    lines = [line for line in answer.splitlines() if line.startswith(("Error", "Warning"))]
    return [line for line in lines if not any(false.search(line) for false in _PIXELMED_FALSE)]


def tid1500reader(path: Path, folder: Path) -> Path:
    """The measurements as dcmqi reads them: a JSON file."""
    reader = Path(sys.executable).parent / "tid1500reader"
    if not reader.exists():
        pytest.skip("dcmqi is not installed")
    run(reader, "--inputDICOM", path, "--outputMetadata", folder / "report.json")
    return folder / "report.json"
