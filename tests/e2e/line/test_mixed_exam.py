"""A whole examination by a real storescu: every image series is answered, and a protocol learns what is usual of it."""

import numpy as np
import pytest
from builders.images import phantoms
from builders.running.daemon import golden_datasets, running_daemon, write_files
from PIL import Image
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid
from validators import unexpected_dciodvfy, without_dicomdir

REFUSED = {"localizer": "a localizer", "map": "computed from others", "phase": "phase", "screenshot": "not an MR"}


def screenshot():
    """A picture of the console, as a scanner sends it along."""
    dataset = next(phantoms.series(phantoms.volume(), "screenshot"))
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["screenshot"])
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.Modality, dataset.ConversionType = "OT", "WSD"
    return [dataset]


def exam():
    """The series of one examination by name."""
    rng = np.random.default_rng(0)
    steady = phantoms.volume()[None] + rng.normal(0, 4, (8, *phantoms.SHAPE)).astype(np.float32)
    weighted = [{"DiffusionBValue": 0.0}, *({"DiffusionBValue": 1000.0} for _ in range(5))]
    signal = np.array([1, *[0.4] * 5], np.float32)[:, None, None, None]
    made = {
        "localizer": phantoms.series(phantoms.volume(), "localizer", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        "T1": golden_datasets(),
        "T2": phantoms.series(phantoms.volume(), "T2"),
        "FLAIR": phantoms.series(phantoms.volume(), "FLAIR", InversionTime="2500", ScanningSequence=["SE", "IR"]),
        "DWI": phantoms.repeated(steady[:6] * signal, "DWI", headers=weighted, ScanningSequence="EP"),
        "fMRI": phantoms.repeated(steady, "fMRI", ScanningSequence=["EP", "GR"]),
        "magnitude": phantoms.series(phantoms.volume(), "field map", ScanningSequence="GR", EchoTime="4.9"),
        "phase": phantoms.series(phantoms.volume(), "field map phase", ImageType=["ORIGINAL", "PRIMARY", "P"]),
        "map": phantoms.series(phantoms.volume(), "MPR", ImageType=["DERIVED", "SECONDARY", "MPR"]),
        "screenshot": screenshot(),
    }
    return {name: list(datasets) for name, datasets in made.items()}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with running_daemon(tmp_path_factory.mktemp("exam")) as running:
        yield running


def answered(daemon, folder, datasets):
    write_files(folder, datasets)
    assert 0 == daemon.push(folder).returncode
    return daemon.done(str(datasets[0].SeriesInstanceUID))


def test_every_image_series_of_an_exam_is_judged_and_the_rest_is_refused_by_its_header(daemon, tmp_path):
    records = {name: answered(daemon, tmp_path / name, datasets) for name, datasets in exam().items()}
    judged = {name for name, record in records.items() if record["verdict"] != "NOT_ASSESSED"}

    assert {"T1", "T2", "FLAIR", "DWI", "fMRI", "magnitude"} == judged
    for name, why in REFUSED.items():
        assert why in records[name]["action"]
    for name in judged - {"T1"}:
        assert "learning (0 of 12)" in records[name]["action"]
        assert (960, 1280, 3) == np.asarray(Image.open(records[name]["picture"])).shape
        assert [] == without_dicomdir(unexpected_dciodvfy(records[name]["sr"]))


def test_a_protocol_learns_from_what_was_accepted_and_starts_anew_when_it_changes(daemon, tmp_path):
    def sent(seed, noise=12.0, **header):
        datasets = list(phantoms.series(phantoms.volume(seed, noise=noise), "knee", **header))
        return answered(daemon, tmp_path / str(seed), datasets)

    learnt = [sent(seed) for seed in range(1, 13)]
    usual, noisy = sent(13), sent(14, noise=60.0)
    changed = sent(15, EchoTime="110")

    assert [f"learning ({n} of 12)" in record["action"] for n, record in enumerate(learnt)] == [True] * 12
    assert "Carry on: as usual for this protocol." == usual["action"]
    assert ("REVIEW", True) == (noisy["verdict"], "times its usual" in noisy["action"])
    assert "learning (0 of 12)" in changed["action"]
    assert "EchoTime 110, it was 95" in changed["reasons"]
    assert [] == without_dicomdir(unexpected_dciodvfy(noisy["sr"]))
    assert "background" in str(dcmread(noisy["sr"])).casefold()
