"""scanside route: what the routes make of the series in a folder, condition by condition, without judging anything.

Free text of a header is never shown: operators type names into it.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from daemon.commands.assess import files_of
from daemon.config import Settings, load_settings
from daemon.core.errors import NotAssessable
from daemon.core.judging.routing import FREE_TEXT, Check, Route, Trial
from daemon.dicom.attributes import Attributes
from daemon.dicom.own import is_own
from daemon.dicom.reading.objects import read_file
from daemon.dicom.reading.volumes import arrange, is_image, kind_of
from daemon.edge.files.content import FileContent
from daemon.line.selection import Outlook, consider
from daemon.routes import all_routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one series is judged by a bundle, or why it is not.

    ``refused``: the reader's own reason, before any route was tried; ``outlook`` is None then. Left out are the ``own``
    objects, which Scanside made itself, and those that are no MR images, ``left_out`` by SOP class.
    """

    series_instance_uid: str
    objects: int
    own: int
    left_out: Mapping[str, int]
    refused: str = ""
    outlook: Outlook | None = None
    trials: tuple[Trial, ...] = ()

    @property
    def bundle(self) -> str | None:
        """Who would judge; None where nobody would."""
        if self.outlook is None or self.outlook.route is None or self.outlook.refusal is not None:
            return None
        return self.outlook.route.bundle

    @property
    def decision(self) -> str:
        """The answer in one line."""
        if self.objects == self.own:
            return "ignored: made by Scanside itself"
        if self.outlook is None:
            return f"NOT_ASSESSED: {self.refused}"
        route = f" (route '{self.outlook.route.name}')" if self.outlook.route else ""
        refusal = self.outlook.refusal
        return f"NOT_ASSESSED: {refusal}{route}" if refusal is not None else f"judged by {self.bundle}{route}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of the command."""
    parser.add_argument("path", type=Path, help="DICOM folder or file")
    parser.add_argument("--json", action="store_true", help="one JSON object a series")
    parser.add_argument("--scanner", default="", help="calling AE title: as if it had come from there")


def run(options: argparse.Namespace) -> int:
    """Print some lines, or an object, for each series."""
    for explanation in explain(options.path, load_settings(options.config), options.scanner):
        lines = [json.dumps(summarise(explanation))] if options.json else describe(explanation)
        print(*lines, sep="\n")
    return 0


def explain(path: Path, settings: Settings, scanner: str = "") -> Iterator[Explanation]:
    """Each series of a DICOM folder, as if ``scanner`` (calling AE title) had sent it.

    Raises:
        ConfigError: there is nothing at the path.
    """
    routes = all_routes(settings)
    for uid, datasets in _series(files_of(path)).items():
        others = [dataset for dataset in datasets if not is_own(_header(dataset))]
        made = Explanation(
            series_instance_uid=uid,
            objects=len(datasets),
            own=len(datasets) - len(others),
            left_out=Counter(kind_of(header) for header in map(_header, others) if not is_image(header)),
        )
        yield _explain(made, others, routes, scanner)


def describe(explanation: Explanation) -> Iterator[str]:
    """For people: the decision, then every route with the conditions that failed."""
    volumes = f", {len(explanation.outlook.volumes)} volumes" if explanation.outlook else ""
    yield f"{explanation.series_instance_uid[-24:]}: {explanation.objects} objects{volumes}"
    yield f"  {explanation.decision}"
    if explanation.left_out and explanation.outlook:
        yield f"  left out: {', '.join(f'{count} {kind}' for kind, count in explanation.left_out.items())}"
    if explanation.outlook and explanation.outlook.left_out:
        yield f"  left out: {explanation.outlook.left_out} derived images"
    for trial in explanation.trials:
        whose = f"{trial.route.bundle} refuses" if trial.route.bundle else "refuse"
        answer = trial.route.bundle if trial.route.judges else f"{whose}: {trial.route.refuse}"
        yield f"  {'yes' if trial.applies else 'no '} {trial.route.name} -> {answer}"
        yield from (f"        {_sentence(check)}" for check in trial.checks if not check.holds or trial.applies)


def summarise(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain JSON values."""
    outlook = explanation.outlook
    return {
        "series": explanation.series_instance_uid,
        "objects": explanation.objects,
        "own": explanation.own,
        "left_out": dict(explanation.left_out),
        "decision": explanation.decision,
        "bundle": explanation.bundle,
        "route": outlook.route.name if outlook and outlook.route else None,
        "volumes": [[f"{name}={value}" for name, value in one.items()] for one in outlook.volumes] if outlook else [],
        "chosen": list(outlook.chosen) if outlook else [],
        "mixed": list(outlook.mixed) if outlook else [],
        "derived_left_out": outlook.left_out if outlook else 0,
        "facts": {name: _shown(name, value) for name, value in outlook.facts.items()} if outlook else {},
        "routes": [
            {
                "name": trial.route.name,
                "bundle": trial.route.bundle or None,
                "refuse": trial.route.refuse or None,
                "applies": trial.applies,
                "conditions": [
                    {"fact": c.fact, "condition": c.condition, "value": _shown(c.fact, c.value), "holds": c.holds}
                    for c in trial.checks
                ],
            }
            for trial in explanation.trials
        ],
    }


def _explain(made: Explanation, datasets: Sequence[Dataset], routes: Sequence[Route], scanner: str) -> Explanation:
    try:
        outlook = consider(arrange(datasets), routes, scanner)
    except NotAssessable as error:
        return replace(made, refused=str(error))
    return replace(made, outlook=outlook, trials=outlook.trials(routes))


def _header(dataset: Dataset) -> Attributes:
    return Attributes((dataset,))


def _series(files: Sequence[Path]) -> dict[str, list[Dataset]]:
    """The DICOM files among ``files`` by series, in the order of their names."""
    found: dict[str, list[Dataset]] = {}
    for file in files:
        with suppress(NotAssessable):
            dataset = read_file(FileContent(file))
            found.setdefault(_uid(dataset), []).append(dataset)
    return found


def _uid(dataset: Dataset) -> str:
    """The series' UID; text that is none is as little shown as any other free text."""
    stated = _header(dataset).text("SeriesInstanceUID") or ""
    return stated if set(stated) <= set("0123456789.") else "no UID"


def _sentence(check: Check) -> str:
    value = _shown(check.fact, check.value)
    said = "\\".join(map(str, value)) if isinstance(value, list) else value
    return f"{check.fact} is {said or 'not stated'}, wanted {check.condition}"


def _shown(name: str, value: Sequence[str | float]) -> list[str | float] | str:
    if name in FREE_TEXT:
        return "free text, not shown" if value else ""
    return [
        f"{one:g}" if isinstance(one, float) else "".join(c if c.isprintable() else "?" for c in one) for one in value
    ]
