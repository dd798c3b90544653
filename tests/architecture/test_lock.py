"""What a release is installed from is in accord with what the package asks for, and names every file by its hash."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "deploy" / "requirements.lock", ROOT / "deploy" / "build.lock"]
#: Where a release runs: the oldest Python and a newer one.
HOSTS = [
    {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.0", "sys_platform": "linux"}
    | {"platform_machine": "x86_64", "implementation_name": "cpython", "platform_system": "Linux", "extra": ""}
    for minor in (11, 12, 13)
]


def entries(lock):
    """Requirement and hashes of each entry."""
    for text in lock.read_text().replace("\\\n", " ").splitlines():
        requirement, *hashes = text.split("--hash=")
        yield Requirement(requirement), [digest.strip() for digest in hashes]


def asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    release = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["cpu"]]
    return [
        *((LOCKS[0], Requirement(text)) for text in release),
        *((LOCKS[1], Requirement(text)) for text in project["build-system"]["requires"]),
    ]


@pytest.mark.parametrize(("lock", "asked"), asked_for(), ids=lambda value: str(getattr(value, "name", value)))
def test_what_the_package_asks_for_is_locked_and_satisfies_it(lock, asked):
    for host in HOSTS:
        found = [
            next(iter(locked.specifier)).version
            for locked, _ in entries(lock)
            if canonicalize_name(locked.name) == canonicalize_name(asked.name)
            and (locked.marker is None or locked.marker.evaluate(host))
        ]

        assert 1 == len(found), f"{asked}: make lock"
        assert asked.specifier.contains(found[0]), f"{asked}, but {found[0]} is locked: make lock"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_entry_is_one_version_with_its_hashes(lock):
    for requirement, hashes in entries(lock):
        assert ["=="] == [one.operator for one in requirement.specifier], requirement
        assert hashes, requirement
        assert [] == [digest for digest in hashes if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest)]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_address_stands_in_a_lock(lock):
    assert "://" not in lock.read_text()


def test_a_release_holds_no_torch_and_one_runtime():
    names = {canonicalize_name(requirement.name) for requirement, _ in entries(LOCKS[0])}

    assert "onnxruntime" in names
    assert set() == names & {"torch", "onnxruntime-gpu", "pytest"}
