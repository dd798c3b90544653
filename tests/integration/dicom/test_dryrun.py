"""scanside route: every decision is explained by its conditions and their values, and by no word about a patient."""

import json
import subprocess

import pytest
from builders.images.series import Lattice, classic, part10
from builders.judging.report import make_header, make_judgement, make_series
from builders.running.daemon import SCANSIDE
from pydicom.dataset import Dataset
from pydicom.uid import RawDataStorage

from daemon.commands.route import describe, explain, summarise
from daemon.config import Settings, load_settings
from daemon.core.errors import ConfigError
from daemon.core.values import State
from daemon.dicom.report.evidence import gather_evidence
from daemon.dicom.report.sr import build_sr
from daemon.routes import all_routes

LATTICE = Lattice(slices=12, spacing=(1.0, 1.0, 1.2))
PLANTED = "Planted Patient"


def write(folder, *objects):
    folder.mkdir(exist_ok=True)
    for n, content in enumerate(objects, start=len(list(folder.iterdir()))):
        (folder / f"{n:03}").write_bytes(content)
    return folder


def head(uid="1.2.2", **header):
    facts = {"SeriesInstanceUID": uid, "ScanningSequence": "GR", "EchoTime": 3, "BodyPartExamined": "HEAD"}
    names = dict.fromkeys(("PatientName", "SeriesDescription", "ProtocolName", "PatientID"), PLANTED)
    return list(map(part10, classic(LATTICE, uid=f"{uid}.1", **facts | names | header)))


def report():
    evidence = gather_evidence(make_series(), make_header())
    return build_sr(evidence, make_judgement(State.NOT_ASSESSED))


def explained(folder, settings=None, scanner=""):
    return {one.series_instance_uid: one for one in explain(folder, settings or load_settings(None), scanner)}


def test_each_series_of_a_study_gets_its_own_answer(tmp_path):
    heads = (*head("1.1"), *head("1.2", EchoTime=80), *head("1.3")[:2])
    own = report()
    found = explained(write(tmp_path / "study", *heads, own.payload, b"README"))

    assert {
        own.series_instance_uid: "ignored: made by Scanside itself",
        "1.1": "judged by brain-t1 (route 'T1 by gradient echo')",
        "1.2": "judged by any-mr (route 'any other MR image')",
        "1.3": "NOT_ASSESSED: too few slices for a volume: 2 slices",
    } == {uid: one.decision for uid, one in found.items()}


def test_every_route_is_there_with_every_condition_and_the_value_it_met(tmp_path):
    (found,) = explained(write(tmp_path / "head", *head())).values()
    told = summarise(found)
    applied = [route["name"] for route in told["routes"] if route["applies"]]
    echo = next(
        condition
        for route in told["routes"]
        if route["name"] == "T1 by gradient echo"
        for condition in route["conditions"]
        if condition["fact"] == "EchoTime"
    )

    assert [route.name for route in all_routes(Settings())] == [route["name"] for route in told["routes"]]
    assert ["T1 by gradient echo", "everything else", "any other MR image"] == applied
    assert {"fact": "EchoTime", "condition": "at most 12, or not stated", "value": ["3"], "holds": True} == echo
    assert "        ScanningSequence is GR, wanted one of EP" in list(describe(found))


def test_the_scanner_is_a_fact_too(tmp_path):
    config = tmp_path / "scanside.toml"
    config.write_text('[[routing.routes]]\nname = "old one"\nrefuse = "too old"\nwhen = { CallingAE = "MR9" }\n')
    folder = write(tmp_path / "head", *head())
    answers = [
        next(iter(explained(folder, load_settings(config), scanner).values())).bundle for scanner in ("MR1", "MR9")
    ]

    assert ["brain-t1", None] == answers


def test_objects_that_are_no_images_are_counted_by_kind(tmp_path):
    raw = Dataset()
    raw.SOPClassUID, raw.SOPInstanceUID, raw.SeriesInstanceUID, raw.Modality = RawDataStorage, "1.9", "1.2.2", "MR"
    raw.file_meta = classic()[0].file_meta
    (found,) = explained(write(tmp_path / "head", *head(), part10(raw))).values()

    assert {"RawDataStorage": 1} == dict(found.left_out)
    assert "brain-t1" == found.bundle
    assert any("RawDataStorage" in line for line in describe(found))


def test_no_word_about_a_patient_is_shown(tmp_path):
    config = tmp_path / "scanside.toml"
    config.write_text(
        '[[routing.routes]]\nname = "r"\nrefuse = "x"\n'
        'when = { SeriesDescription = "*x*", ProtocolName = "y", Modality = "MR" }\n'
    )
    folder = write(tmp_path / "head", *head())
    command = [*SCANSIDE, "route", "--config", str(config), str(folder)]
    said = [
        subprocess.run([*command, *options], capture_output=True, text=True, check=True).stdout
        for options in ([], ["--json"])
    ]

    assert all("Planted" not in text for text in said)
    assert "judged by brain-t1" in said[0]
    assert ["brain-t1"] == [json.loads(line)["bundle"] for line in said[1].splitlines()]


def test_nothing_at_the_path_is_said(tmp_path):
    with pytest.raises(ConfigError, match="there is nothing at"):
        list(explain(tmp_path / "no", load_settings(None)))


def test_derived_images_that_are_left_out_and_facts_that_are_mixed_are_shown(tmp_path):
    reformats = classic(
        Lattice(slices=2, spacing=(1.0, 1.0, 4.0)), uid="1.9", ImageType=["DERIVED", "SECONDARY", "MPR"]
    )
    kept, heads = ["ORIGINAL", "PRIMARY", "M"], head("1.2.2", ImageType=["ORIGINAL", "PRIMARY", "M"])
    (found,) = explained(write(tmp_path / "head", *heads, *map(part10, reformats))).values()

    assert "judged by brain-t1 (route 'T1 by gradient echo')" == found.decision
    assert "  left out: 2 derived images" in list(describe(found))
    assert 2 == summarise(found)["derived_left_out"]

    mixed = [*head("1.5", ImageType=kept)[:6], *head("1.5", ImageType=kept, EchoTime=9)[6:]]
    (found,) = explained(write(tmp_path / "mixed", *mixed)).values()
    assert (
        "NOT_ASSESSED: images of several kinds in one volume: EchoTime (route 'T1 by gradient echo')" == found.decision
    )
    assert ["EchoTime"] == summarise(found)["mixed"]
