"""scanside calibrate --harm over what a daemon received and judged: killed twice, nothing is judged twice."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from builders.images.series import encoded
from builders.judging.values import assessment
from builders.running.assembly import assembled
from builders.running.daemon import AT_ONCE, golden_datasets
from builders.running.spool import association_end, receipt, spool_settings

from daemon.config import load_settings
from daemon.core.judging.site_harm import SiteHarm
from daemon.core.reception.completion import Completion, Patience
from daemon.core.values import State, Verdict
from daemon.dicom.reading.volumes import read_volumes
from daemon.dicom.simulate import corrupted_series
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_database
from daemon.edge.database.results import Published, Results
from daemon.edge.files.learnt import harm_file, load_learnt
from daemon.edge.spool.writer import SpoolWriter
from models.bundle import load_bundle

SERIES, IMAGES = 3, 4
ROOT = Path(__file__).parents[3]
LATE = 1e12


@pytest.fixture
def config(tmp_path):
    """Three heads of one protocol, received, closed and accepted."""
    path = tmp_path / "scanside.toml"
    path.write_text(
        f'storage = "{tmp_path / "storage"}"\nshipped = false\n[bundles]\nbrain-t1 = "models/zoo/brain-t1"\n'
    )
    settings = load_settings(path)
    settings.storage.mkdir()
    (volume,) = read_volumes(golden_datasets())
    rng = np.random.default_rng(0)
    writer = SpoolWriter(spool_settings(settings.spool_settings.folder))
    for number in range(SERIES):
        noise = 0.01 * float(volume.still.max()) * rng.standard_normal(volume.still.shape)
        image = np.abs(volume.still + noise).astype(np.float32)
        for dataset in corrupted_series(golden_datasets(), image, f"head {number}"):
            draft = writer.draft()
            draft.add(encoded(dataset))
            writer.append(
                receipt(sop_instance_uid=str(dataset.SOPInstanceUID), association=f"a{number}", calling_ae="MR1"), draft
            )
            draft.close()
        writer.append(association_end(association=f"a{number}"))
    writer.close()
    engine = open_database(settings.database_url)
    index, results = Index(engine, b"key"), Results(engine)
    patience = Patience(geometry_s=0.0, release_s=0.5, stray_s=10.0, quiet_s=60.0)
    assembly = assembled(settings.spool_settings.folder, index, Completion(patience))
    assembly.restore(0.0)
    closed, read = [], True
    while read:
        read, series = assembly.turn(LATE)
        closed += series
    digest = load_bundle(settings.bundle_folders["brain-t1"]).digest
    for one in closed:
        published = Published(
            verdict=Verdict(state=State.ACCEPT, action=""),
            assessment=assessment(),
            description="golden head",
            seconds={},
            objects={},
            bundle=digest,
            at=200.0,
        )
        results.publish(one.series_instance_uid, one.revision, published, ())
    engine.dispose()
    assert SERIES == len(closed)
    return path


def command(config):
    program = [sys.executable, "-c", AT_ONCE, "calibrate", "--harm", "--images", str(IMAGES), "--bundle", "brain-t1"]
    return [*program, "--config", str(config)]


def lines_of(journal):
    return journal.read_text().splitlines() if journal.exists() else []


def test_what_images_lose_is_learnt_though_killed_twice(config):
    settings = load_settings(config)
    journal = harm_file(settings.storage, "brain-t1").with_suffix(".trials")
    for least in (2, 8):
        with subprocess.Popen(command(config), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            while len(lines_of(journal)) < least and process.poll() is None:
                time.sleep(0.1)
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
    before = len(lines_of(journal))
    said = subprocess.run(command(config), cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tried = [json.loads(line)["tried"] for line in lines_of(journal)]
    bundle = load_bundle(settings.bundle_folders["brain-t1"])
    learnt = load_learnt(harm_file(settings.storage, "brain-t1"), SiteHarm, bundle)

    assert before < SERIES * (1 + IMAGES)
    assert f"harm: {SERIES * (1 + IMAGES) - before} images judged, 0 left for the next time" in said
    assert f"MR1  golden head  {SERIES} series  used" in said
    assert SERIES * (1 + IMAGES) == len(tried) == len({(one["series"], one["number"]) for one in tried})
    assert all(one["harm"] == 0 for one in tried if one["number"] == 0)
    assert SERIES == learnt.of("MR1", "golden head").people
    assert learnt.of("MR2", "golden head") is None
