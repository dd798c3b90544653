"""Rules of the house that no linter knows."""

import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("daemon", "models", "training", "export")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_our_top_level_names_are_ours_alone():
    """python-daemon, for one, would silently take the place of our daemon/__init__.py."""
    owners = packages_distributions()
    for package in PACKAGES:
        assert {"scanside"} == set(owners[package])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_stays_under_three_hundred_lines(path):
    assert len(path.read_text().splitlines()) < 300


FACES = [path for path in MODULES if path.name == "__init__.py"]


@pytest.mark.parametrize("path", FACES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_holds_nothing_but_its_docstring(path):
    body = compile(path.read_text(), str(path), "exec").co_consts

    assert len([line for line in path.read_text().splitlines() if line]) <= 3
    assert isinstance(body[0], str)


def test_there_is_one_broad_except_a_process():
    """The worker's is in judgement.py, the receiver's in its listener or session, a cohort's in cohort.py."""
    broad = [
        path.name
        for path in MODULES
        for line in path.read_text().splitlines()
        if line.strip().startswith(("except:", "except Exception", "except BaseException"))
    ]

    assert len(broad) <= 3, broad


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("daemon.app", {"torch", "training", "export", "matplotlib"}),
        ("daemon.intake", {"torch", "onnxruntime", "scipy", "nibabel", "dbos", "highdicom", "sqlalchemy"}),
    ],
)
def test_a_process_imports_only_what_it_needs(module, heavy):
    code = f"import sys, {module}, daemon.config; print(*(set(sys.modules) & {heavy!r}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert "" == found.stdout.strip()
