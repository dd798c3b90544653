"""Rules of the house that no linter knows."""

import ast
import re
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


PARTED = ("daemon", "models", "training", "export")
TESTED = ("unit", "integration", "e2e", "faults")
ROOMS = [
    *(face.parent for part in PARTED for face in sorted((ROOT / part).rglob("__init__.py"))),
    *sorted({test.parent for kind in TESTED for test in (ROOT / "tests" / kind).rglob("test_*.py")}),
    *sorted({one.parent for folder in ("benchmarks", "tests/builders") for one in (ROOT / folder).rglob("*.py")}),
]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_holds_fifteen_modules_at_most(room):
    assert len([path for path in room.glob("*.py") if path.name != "__init__.py"]) <= 15


FACES = [path for path in MODULES if path.name == "__init__.py"]


@pytest.mark.parametrize("path", FACES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_holds_nothing_but_its_docstring(path):
    body = compile(path.read_text(), str(path), "exec").co_consts

    assert len([line for line in path.read_text().splitlines() if line]) <= 3
    assert isinstance(body[0], str)


#: Names that an ``except`` or a ``suppress`` may not take: everything would be caught.
BROAD = {"Exception", "BaseException"}


def broad_handlers(source: str) -> list[int]:
    """The lines of a source that catch whatever is raised."""

    def is_broad(caught: ast.expr | None) -> bool:
        return caught is None or any(isinstance(node, ast.Name) and node.id in BROAD for node in ast.walk(caught))

    def catches(node: ast.AST) -> bool:
        if isinstance(node, ast.ExceptHandler):
            return is_broad(node.type)
        suppresses = isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "suppress"
        return suppresses and any(is_broad(argument) for argument in node.args)

    return [node.lineno for node in ast.walk(ast.parse(source)) if catches(node)]


def test_one_place_in_the_house_catches_whatever_is_raised():
    places = [str(path.relative_to(ROOT)) for path in MODULES for _ in broad_handlers(path.read_text())]

    assert ["daemon/edge/supervisor.py"] == places


@pytest.mark.parametrize(
    "source",
    [
        "try: ...\nexcept: ...",
        "try: ...\nexcept (OSError, Exception): ...",
        "try: ...\nexcept BaseException as error: ...",
        "with contextlib.suppress(Exception): ...",
    ],
)
def test_however_it_is_written_a_broad_handler_is_found(source):
    assert 1 == len(broad_handlers(source))


def test_the_parent_imports_the_standard_library_alone():
    code = "import sys; before = {*sys.modules}; import daemon.parent; print(*({*sys.modules} - before))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    foreign = {name.partition(".")[0] for name in found.stdout.split()} - {*sys.stdlib_module_names}

    assert {"daemon"} == foreign


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("daemon.app", {"torch", "training", "export", "matplotlib"}),
        ("daemon.receiving", {"torch", "onnxruntime", "scipy", "nibabel", "dbos", "highdicom", "sqlalchemy"}),
    ],
)
def test_a_process_imports_only_what_it_needs(module, heavy):
    code = f"import sys, {module}, daemon.config; print(*(set(sys.modules) & {heavy!r}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert "" == found.stdout.strip()


#: Who simulates a scanner names what a scanner does wrong; a step of the migrations quotes what an older version wrote.
SIMULATORS = {
    "daemon/commands/scanner/push.py",
    "daemon/commands/scanner/push_options.py",
    "daemon/commands/scanner/demo.py",
}
SIMULATORS |= {"daemon/dicom/simulate.py", "daemon/edge/database/steps/until_16.py"}
JUDGED = re.compile(
    r"\b(brains?|gr[ae]y.matter|white.matter|csf|skulls?|scalp|hearts?|ventricles?|lesions?|no head|every head"
    r"|spikes?|wrap-around|fold-over|ghost(s|ing)?|Artefact|models\.physics)\b"
)
SPEAKING = [p for suffix in ("py", "js", "toml", "html") for p in sorted((ROOT / "daemon").rglob(f"*.{suffix}"))]


def test_the_daemon_names_no_organ_no_tissue_and_no_artefact():
    """What is judged is said by bundles: one more bundle is no edit of the daemon."""
    found = {
        str(path.relative_to(ROOT)): sorted({match[0] for match in JUDGED.finditer(path.read_text())})
        for path in SPEAKING
    }

    assert {} == {path: words for path, words in found.items() if words and path not in SIMULATORS}
