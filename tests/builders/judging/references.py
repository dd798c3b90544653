"""Series that were judged, in the database of a configuration."""

from dataclasses import replace

from builders.judging.values import assessment, instance, measure
from daemon.config import load_settings
from daemon.core.people.card import Answer, Choice
from daemon.core.values import ClosedBy, Series, State, Verdict
from daemon.edge.database.answers import Answers
from daemon.edge.database.index import Index
from daemon.edge.database.migrations import open_database
from daemon.edge.database.results import Published, Results
from models.bundle import load_bundle

#: Scores that are about half of what any real head has.
CALM = {"uncertainty": 0.04, "task": 0.3, "entropy": 0.15}


def bundle_of(config):
    """The bundle that a configuration names."""
    return load_bundle(load_settings(config).bundle_folders["brain-t1"])


def record_judged(config, numbers, *, scanner="MR1", protocol="t1", **found):
    """Record series as the daemon does: received, closed and judged, each with slightly other scores.

    ``found`` may name another state and another bundle's digest.
    """
    settings = load_settings(config)
    engine = open_database(settings.database_url)
    index, results = Index(engine, b"key"), Results(engine)
    for number in numbers:
        uid = f"1.2.77.{number}"
        slices = [instance(k) for k in range(2)]
        slices = [replace(one, arrival=replace(one.arrival, calling_ae=scanner)) for one in slices]
        index.close_series(
            Series(
                series_instance_uid=uid,
                study_instance_uid="1.2",
                revision=1,
                instances=tuple(slices),
                closed_by=ClosedBy.GEOMETRY,
                closed_at=float(number),
                partial=False,
            )
        )
        measures = tuple(measure(name, score + number / 1e4) for name, score in CALM.items())
        published = Published(
            verdict=Verdict(state=found.get("state", State.ACCEPT), action=""),
            assessment=replace(assessment(), measures=measures),
            description=protocol,
            seconds={},
            objects={},
            bundle=found.get("bundle", bundle_of(config).digest),
            at=200.0,
        )
        results.publish(uid, 1, published, ())
    engine.dispose()


def answer(config, given):
    """Answer recorded series by their numbers, as the page does; None takes an answer back."""
    engine = open_database(load_settings(config).database_url)
    answers, index = Answers(engine), Index(engine, b"key")
    for number, choice in given.items():
        card_id = index.card_id(f"1.2.77.{number}")
        state = answers.judged(card_id, 1)
        kept = Answer(choice=choice or Choice.WRONG, state=state, reason="", by="anna", at=1.0)
        (answers.give if choice else answers.take_back)(card_id, 1, kept)
    engine.dispose()
