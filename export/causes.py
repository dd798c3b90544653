"""python -m export.causes --bundle FOLDER --table images.csv --out FOLDER ...: causes by a regression, in a bundle.

The table is that of ``python -m training harm`` for a bundle of heads, of ``lesions-harm`` for one of lesions; several
are one. No weight of a network changes.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from cattrs import Converter

from export.declared import OUTPUTS, declared
from export.draft import revised
from export.golden_heads.flair import with_golden
from export.graphs import lesion_engines
from models.brain.familiarity import HISTOGRAM
from models.bundle import Bundle, load_bundle, structured
from models.manifest import CauseEntry, Manifest, SignalEntry
from models.methods.lesions import ARTEFACT
from models.statistics.harm import CLEAN
from models.statistics.presence import Presence
from training.harm.causes import NUMBERS, kind_of
from training.harm.images import Images, joined
from training.harm.presence_tables import CauseFit, fit_causes, presence_of

#: From this presence on an artefact explains a REVIEW or, where the task is harmed, asks for a RESCAN.
EVIDENT = {"brain": 0.35, "lesions": 0.7}
#: Distance -> where a stranger begins, whatever artefact its spectrum shows: 98 of 100 images of open people, clean and
#: spoilt, lie below 5.3; a quarter is left for other scanners (docs/evaluation.md).
FARTHEST = {HISTOGRAM: 6.6}
_CLEAN, _SAID = "; artefact: the clean ones of ", "the causes, no weight of a network: "
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Causes:
    """What a bundle learns: the ``presence`` of artefacts, and ``clean``: how likely one showed in clean images.

    ``source``: what images these are.
    """

    presence: Presence
    clean: tuple[float, ...]
    source: str


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the bundle beside its place, then move it there."""
    parser = argparse.ArgumentParser(prog="python -m export.causes", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="a bundle of heads or of lesions")
    parser.add_argument("--table", type=Path, required=True, nargs="+", help="images.csv of harm or of lesions-harm")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new bundle; it may be that of the old")
    parser.add_argument("--version", required=True, help="of the new bundle")
    parser.add_argument("--source", required=True, help="what heads the tables are of, for the manifest")
    parser.add_argument("--licence", default="", help="of the new bundle; without one that of the old")
    options = parser.parse_args(arguments)
    kind = kind_of(load_bundle(options.bundle))
    images = joined([Images.read(table, kind.tissue).named(NUMBERS) for table in options.table])
    causes = causes_of(images, kind.fit, options.source)
    bundle = add_causes(options.bundle, causes, options.out, options.version, options.licence)
    print(f"{bundle.folder} {bundle.manifest.version} {bundle.digest[:12]}")


def causes_of(images: Images, fit: CauseFit, source: str) -> Causes:
    """The regression on all images, and what those on other people say of the clean ones."""
    clean = presence_of(images, fit)[images.artefact == CLEAN].sum(axis=1)
    said = f"{len(images.harm)} images of {len(set(images.person))} heads, {source}"
    return Causes(presence=fit_causes(images, fit), clean=tuple(np.sort(clean).tolist()), source=said)


def add_causes(folder: Path, causes: Causes, out: Path, version: str, licence: str = "") -> Bundle:
    """The bundle in ``folder``, telling causes.

    ``licence``: under which it may be used, where that of the old bundle no longer says it.

    Raises:
        BundleError: it is of neither method, or not whole.
    """

    def revise(draft: Path, manifest: Manifest) -> Manifest:
        training = manifest.training
        told = replace(
            manifest,
            version=version,
            settings={**manifest.settings, "presence": Converter().unstructure(causes.presence)},
            thresholds=replace(manifest.thresholds, evident=EVIDENT[manifest.method]),
            training=replace(
                training,
                data=(*_before(training.data), f"{_SAID}{causes.source}"),
                licence=licence or training.licence,
            ),
        )
        return _FURTHER[manifest.method](draft, told, causes)

    return revised(folder, out, revise)


def _refusing(_draft: Path, manifest: Manifest, _causes: Causes) -> Manifest:
    """Heads: strangers are refused, for a cause would explain how strange they are; no measure depends on causes."""
    return replace(manifest, settings={**manifest.settings, "farthest": FARTHEST})


def _compared(draft: Path, manifest: Manifest, causes: Causes) -> Manifest:
    """Lesions: the causes are declared, whether any shows becomes a measure, and golden; words are to be made anew."""
    said = declared("artefacts")
    for words in draft.glob("words.*.toml"):
        words.unlink()
    made = replace(
        manifest,
        causes=structured(said["causes"], dict[str, CauseEntry]),
        signals=structured(said["signals"], dict[str, SignalEntry]) | _without(manifest.signals),
        references=tuple(
            replace(
                one,
                source=f"{one.source.partition(_CLEAN)[0]}{_CLEAN}{causes.source}",
                scores={ARTEFACT: causes.clean, **_without(one.scores)},
            )
            for one in manifest.references
        ),
        files={name: digest for name, digest in manifest.files.items() if name != OUTPUTS},
    )
    return with_golden(draft, made, lesion_engines(draft))


_FURTHER: Mapping[str, Callable[[Path, Manifest, Causes], Manifest]] = {"brain": _refusing, "lesions": _compared}


def _without(named: Mapping[str, _T]) -> dict[str, _T]:
    """All but the artefact, which is told first."""
    return {name: value for name, value in named.items() if name != ARTEFACT}


def _before(data: Sequence[str]) -> list[str]:
    """What was said of the data before causes were."""
    return [one for one in data if not one.startswith(_SAID)]


if __name__ == "__main__":
    main()
