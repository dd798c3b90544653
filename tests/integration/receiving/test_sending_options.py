"""However a scanner sends, its series is never split, and no verdict on part of it goes without the mark."""

import threading
from itertools import count

import pytest
from builders.images.push import push_series, slices
from builders.running.intake import Intake

from daemon.core.reception.transmission import Deal, SendingOptions, plan
from daemon.core.values import ClosedBy

#: Slices of each of two series that are sent together.
COUNT = 24


def inner_holes(**sending_options):
    """A seed under which what is held back or dropped leaves holes: slices that lack at an end nobody can miss."""
    fewer = {name: sending_options[name] for name in sending_options if name in {"late", "drop"}}
    for seed in count():
        transmission = plan(
            [[(k, n) for n in range(COUNT)] for k in range(2)], SendingOptions(seed=seed, **fewer), lambda _: None
        )
        sent = {s.image for line in transmission.lines for batch in line for s in batch.sendings}
        if {(k, n) for k in range(2) for n in (0, COUNT - 1)} <= sent:
            return seed
    raise AssertionError


MANNERS = {
    "slow": {"rate": 40.0},
    "interleaved": {"deal": Deal.IMAGES, "shuffle": True},
    "parallel": {"associations": 3, "deal": Deal.BLOCKS},
    "interleaved on parallel associations": {"associations": 3, "deal": Deal.IMAGES},
    "resumed": {"aborts": 2},
    "resumed on parallel associations": {"aborts": 1, "associations": 2},
    "duplicated": {"repeat": 5},
    "duplicated with changes": {"repeat": 2, "change": 3},
    "late": {"late": 2, "late_s": 0.6},
    "late when the series was closed": {"late": 2, "late_s": 3.0},
    "never whole": {"drop": 2},
}


@pytest.fixture(scope="module")
def intake(tmp_path_factory):
    with Intake(tmp_path_factory.mktemp("manners"), stray_s=1.5, quiet_s=4.0, quiet_least_s=4.0) as started:
        yield started


@pytest.mark.parametrize("name", MANNERS)
def test_no_series_is_split_and_nothing_partial_goes_unmarked(intake, name):
    """Two series at once; the header of one announces how many images it has."""
    sending_options = MANNERS[name]
    series = [slices(COUNT), slices(COUNT, ImagesInAcquisition=COUNT)]
    before, revisions = len(intake.closed), 2 if name == "late when the series was closed" else 1
    duplicates, conflicts = intake.completion.duplicates, intake.completion.conflicts
    sender = threading.Thread(
        target=push_series,
        args=(intake.port, *series),
        kwargs=sending_options | {"seed": inner_holes(**sending_options)},
    )
    sender.start()
    intake.run(before + 2 * revisions, idle=0.4)
    sender.join()
    closed = intake.run(before + 2 * revisions)[before:]

    assert 2 * revisions == len(closed)
    dropped = sending_options.get("drop", 0)
    for images, announced in zip(series, (False, True), strict=True):
        # an association that is aborted behind a series' last image: nobody tells that it was the last
        doubted = "aborts" in sending_options and not announced
        mine = [s for s in closed if s.series_instance_uid == images[0].series_instance_uid]
        assert [*range(1, revisions + 1)] == [s.revision for s in mine]
        assert len(images) - dropped == len(mine[-1].instances)
        for found in mine:
            assert found.partial == (len(found.instances) < len(images)) or (doubted and found.partial)
            assert found.closed_by is not ClosedBy.QUIET or doubted
    assert 2 * sending_options.get("repeat", 0) == intake.completion.duplicates - duplicates
    assert 2 * sending_options.get("change", 0) == intake.completion.conflicts - conflicts
