"""Who joins whom among the series of a study on disk: by headers, the same in any order of work."""

import pytest
from builders.judging.toy import Toy, beating, resting, series, with_still, write_bundle
from builders.running.daemon import write_files
from pydicom.uid import generate_uid

from daemon.commands.cohorts.studies import Gathering
from daemon.config import Settings
from daemon.routes import all_roles, all_routes
from models.methods.registry import METHODS


@pytest.fixture
def gathering(tmp_path, monkeypatch):
    """Of a bundle for a moving heart with one at rest; ``stacked``: whose series all join one another."""
    monkeypatch.setitem(METHODS, "toy", Toy)
    write_bundle(tmp_path / "bundle", with_still)
    settings = Settings(shipped=False, bundles={"hearts": tmp_path / "bundle"})

    def make(stacked=None):
        return Gathering(routes=all_routes(settings), roles=all_roles(settings), stacked=stacked or {})

    return make


@pytest.fixture
def study(tmp_path):
    """Writes series of one study and gives their files by UID."""

    def write(**images):
        written, uid = {}, generate_uid()
        for name, image in images.items():
            written[name] = write_files(tmp_path / name, series(image, name, uid))
        return written

    return write


def joined(gathering, lead, files):
    others = {uid: paths for uid, paths in files.items() if uid != lead}
    companions = gathering.company(lead, others, "hearts").companions
    return [(one.role, one.member.series_instance_uid, len(list(one.read()))) for one in companions]


def test_the_last_that_may_play_a_role_does_and_what_has_none_or_cannot_be_read_does_not(gathering, study, tmp_path):
    files = study(a=beating(), b=resting(), c=resting(seed=6), d=beating(seed=7))
    (tmp_path / "note").write_text("no DICOM")
    files["e"] = [tmp_path / "note"]

    assert [("still", "c", len(files["c"]))] == joined(gathering(), "a", files)
    assert [("still", "c", len(files["c"]))] == joined(gathering(), "d", files)
    assert [] == joined(gathering(), "a", {"a": files["a"], "e": files["e"]})


def test_series_that_all_join_one_another_join_the_last(gathering, study):
    files = study(a=beating(), b=beating(seed=1), c=beating(seed=2))
    stacked = gathering({"hearts": "run"})

    assert [] == joined(stacked, "a", files)
    assert [] == joined(stacked, "b", files)
    assert [("run", "a"), ("run", "b")] == [one[:2] for one in joined(stacked, "c", files)]


def test_a_file_that_is_away_is_told(gathering, study):
    files = study(a=beating(), b=resting())
    files["b"][0].unlink()

    with pytest.raises(FileNotFoundError):
        joined(gathering(), "a", files)
