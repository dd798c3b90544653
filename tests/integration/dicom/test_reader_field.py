"""Odd series from the field: each gets the answer that its collection calls right (its README)."""

import errno
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from builders.images import reader_table as real
from builders.images.series import Lattice, classic, part10
from builders.judging.judging import judge_of
from builders.peers.receiver import Receiver, storescu, write_series
from pydicom import dcmread

from daemon.commands.assess import FileAppraiser
from daemon.config import Settings, shipped_bundles
from daemon.core.errors import NotAssessable, Reason
from daemon.core.values import State
from daemon.dicom.reading.volumes import arrange, read_volumes
from daemon.line.selection import consider, select
from daemon.routes import all_routes

ROUTES = all_routes(Settings())
#: Of one bundle alone, which takes one volume of a series.
ONE = all_routes(Settings(shipped=False, bundles={"brain-t1": shipped_bundles()["brain-t1"]}))

FIELD = real.DICOM.parent / "dicom-field"

needs_data = pytest.mark.skipif(not FIELD.is_dir(), reason="no series from the field: set SCANSIDE_DATA")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    with lzma.open(FIELD / "base-head-2mm" / "series.tar.xz") as packed, tarfile.open(fileobj=packed) as archive:
        archive.extractall(folder, filter="data")
    return next(path.parent for path in folder.rglob("*.dcm"))


@pytest.fixture(scope="module")
def variants(base, tmp_path_factory):
    """The folder of variants that the collection makes of its base head."""
    folder = tmp_path_factory.mktemp("variants")
    subprocess.run([sys.executable, FIELD / "variants.py", base, folder], check=True)
    return folder


def files(folder):
    return [path.read_bytes() for path in sorted(folder.glob("*.dcm"))]


def voxels(folder):
    (volume,) = read_volumes(files(folder))
    return volume.still


@needs_data
def test_the_base_head_is_accepted(base):
    assert State.ACCEPT is judge_of([dcmread(path) for path in sorted(base.glob("*.dcm"))]).verdict.state


@needs_data
def test_padding_becomes_background_and_the_head_is_judged_as_before(base, variants):
    expected, found = voxels(base), voxels(variants / "padding")
    j, i = np.mgrid[: expected.shape[1], : expected.shape[0]]
    outside = np.hypot(j - 63.5, i - 63.5).T > 75

    assert np.array_equal(np.where(outside[..., None], 0, expected), found)
    datasets = [dcmread(path) for path in sorted((variants / "padding").glob("*.dcm"))]
    assert State.ACCEPT is judge_of(datasets).verdict.state


@needs_data
def test_an_inverted_head_is_the_head(base, variants):
    assert np.array_equal(np.minimum(voxels(base), 4095), voxels(variants / "monochrome1"))


@needs_data
def test_two_kinds_of_combined_echoes_are_told_apart_and_one_answer_is_given(variants):
    stacks = arrange(files(variants / "memprage_rms"))

    assert 2 == len(stacks)
    assert Reason.SEVERAL is consider(stacks, ONE).refusal.reason
    assert "any-mr" == consider(stacks, ROUTES).route.bundle


@needs_data
def test_a_head_under_another_term_of_the_head_is_routed_to_its_bundle(variants):
    assert "brain-t1" == select(files(variants / "optic_canal"), ROUTES).bundle


@needs_data
def test_the_scout_is_refused_before_a_pixel_is_decoded():
    ((*contents,),) = [source.files for source in real.sources("localizer-aahead-scout", FIELD)]
    cut = [content[:-1000] for content in contents]  # no pixel data that could be decoded
    with pytest.raises(NotAssessable) as caught:
        select(cut, ROUTES)

    assert (Reason.UNROUTED, "a localizer") == (caught.value.reason, caught.value.detail)


@needs_data
def test_the_scout_without_its_name_is_refused_too():
    ((*contents,),) = [source.files for source in real.sources("localizer-aahead-scout", FIELD)]
    nameless = [content.replace(b"AAHead_Scout", b"AAHead_image") for content in contents]

    assert "a localizer, or as fast as one" == consider(arrange(nameless), ROUTES).refusal.detail


@pytest.mark.skipif(not Path("/usr/bin/storescu").exists(), reason="no DCMTK: apt install dcmtk")
def test_who_proposes_deflated_sends_uncompressed(tmp_path):
    images = write_series(tmp_path / "series", 8)
    with Receiver(tmp_path / "spool") as receiver:
        sent = storescu(receiver.port, "-xd", "+sd", tmp_path / "series")

        assert 0 == sent.returncode
        assert images == receiver.contents()


def test_a_file_that_cannot_be_read_now_is_no_damaged_image(tmp_path, monkeypatch):
    """A share that is away for a while is tried again; a verdict would be for ever."""
    for number, image in enumerate(classic(Lattice(slices=12))):
        (tmp_path / f"{number}.dcm").write_bytes(part10(image))
    opened, ordinary = [], Path.open

    def away(path, *arguments, **options):
        opened.append(path)
        if len(opened) > 20:
            raise OSError(errno.EIO, "Input/output error")
        return ordinary(path, *arguments, **options)

    appraiser = FileAppraiser(Settings())
    monkeypatch.setattr(Path, "open", away)
    with pytest.raises(OSError, match="Input/output error"):
        appraiser.appraise(sorted(tmp_path.iterdir()))
