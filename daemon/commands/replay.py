"""scanside replay: what other thresholds would have said of the last days, against the answers that people gave."""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from daemon.commands.option import since_s, within
from daemon.config import Settings, load_settings
from daemon.core.bounds import Range
from daemon.core.people.replay import CONFIRMING, Recorded, Replayed, replay
from daemon.core.values import State
from daemon.edge.database.answers import Answers
from daemon.edge.database.migrations import open_existing
from models.bundle import load_bundle
from models.manifest import Manifest

_SHARES = {"alpha": "tolerated share of false alarms", "unfamiliar": "tolerated share called unlike every known one"}
_LEVELS = {
    "tolerated-loss": "the expected loss from which the task is impaired",
    "impaired": "the primary signal from which it is, without an expected loss",
    "evident": "below this presence no cause shows",
    "certain": "from this presence on a cause explains what is unfamiliar",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("--since", type=since_s, default="7d", help="how far back: 12h, 7d (default: %(default)s)")
    for name, words in _SHARES.items():
        parser.add_argument(f"--{name}", type=within(Annotated[float, Range(1e-6, 1)]), help=words)
    for name, words in _LEVELS.items():
        parser.add_argument(f"--{name}", type=within(Annotated[float, Range(0, 1e6)]), help=words)
    parser.add_argument("--json", action="store_true", help="one JSON object a series")


def run(options: argparse.Namespace) -> int:
    """Print what changed; 1 where the recorded verdicts are not reproduced by the thresholds that gave them."""
    settings = load_settings(options.config)
    asked = {name.replace("-", "_"): getattr(options, name.replace("-", "_")) for name in (*_SHARES, *_LEVELS)}
    changes = {name: value for name, value in asked.items() if value is not None}
    recorded, manifests = list_recorded(settings, time.time() - options.since), manifests_of(settings)
    replayed = list(_replayed(recorded, manifests, changes))
    unlike = [one for one in _replayed(recorded, manifests, {}) if one.verdict != one.recorded.verdict]
    if options.json:
        print(*(json.dumps(describe(one)) for one in replayed), sep="\n")
    else:
        print(*tabulate(len(recorded), replayed, len(unlike)), sep="\n")
    return 1 if unlike else 0


def list_recorded(settings: Settings, since: float) -> list[Recorded]:
    """The verdicts of a site since then.

    Raises:
        ConfigError: no daemon has run with this configuration yet.
    """
    with open_existing(settings.database_url) as engine:
        return Answers(engine).recorded(since)


def manifests_of(settings: Settings) -> dict[str, Manifest]:
    """The manifest of each configured bundle, by the bundle's digest."""
    bundles = [load_bundle(folder) for folder in settings.bundle_folders.values()]
    return {bundle.digest: bundle.manifest for bundle in bundles}


def _replayed(
    recorded: list[Recorded], manifests: Mapping[str, Manifest], changes: Mapping[str, float]
) -> Iterator[Replayed]:
    """What can be replayed: judged by bundles that are still configured."""
    for one in recorded:
        if found := replay(one, manifests, changes):
            yield found


def tabulate(count: int, replayed: list[Replayed], unlike: int) -> Iterator[str]:
    """The lines that people read."""
    yield f"{count} verdicts, {len(replayed)} can be replayed, {unlike} of them are not reproduced"
    for state in (State.RESCAN, State.REVIEW, State.ACCEPT):
        before = sum(one.recorded.verdict.state is state for one in replayed)
        now = [one for one in replayed if one.verdict.state is state]
        yield f"{state.value:7} {before:6} recorded, {len(now):6} now{_answers_to(now)}"


def _answers_to(raised: list[Replayed]) -> str:
    answered = [one.recorded.answer for one in raised if one.recorded.answer]
    confirmed = sum(answer.choice in CONFIRMING for answer in answered)
    return f": {confirmed} of {len(answered)} answered were confirmed" if answered else ""


def describe(one: Replayed) -> dict[str, Any]:
    """One of them as plain JSON values."""
    return {
        "card": one.recorded.card_id,
        "protocol": one.recorded.protocol,
        "recorded": one.recorded.verdict.state.value,
        "replayed": one.verdict.state.value,
        "cause": one.verdict.cause,
        "answer": one.recorded.answer.choice.value if one.recorded.answer else None,
    }
