"""python -m export.lesion_causes --bundle FOLDER --table images.csv --out FOLDER ...: lesions with their artefacts.

The table is that of ``python -m training lesions-harm``; several are one. No weight of a network changes. What clean
images are compared with is what regressions on other people say of them.
"""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from cattrs import Converter

from export.declared import OUTPUTS, declared
from export.draft import finish_draft
from export.golden_heads.flair import with_golden
from export.graphs import lesion_engines
from models.bundle import Bundle, load_bundle, structured, write_manifest
from models.manifest import CauseEntry, SignalEntry
from models.methods.lesions import ARTEFACT, LesionSettings
from models.statistics.presence import Presence
from training.harm.drawing import CLEAN
from training.harm.flair_causes import FIT, NUMBERS
from training.harm.flair_images import TISSUE
from training.harm.images import Images, joined
from training.harm.presence_tables import fit_causes, presence_of

#: From this presence on an artefact explains a REVIEW or, where the lesions are surely lost, asks for a RESCAN.
EVIDENT = 0.7
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
    parser = argparse.ArgumentParser(prog="python -m export.lesion_causes", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="a bundle of lesions")
    parser.add_argument("--table", type=Path, required=True, nargs="+", help="images.csv of lesions-harm")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new bundle; it may be that of the old")
    parser.add_argument("--version", required=True, help="of the new bundle")
    parser.add_argument("--source", required=True, help="what heads the tables are of, for the manifest")
    parser.add_argument("--licence", default="", help="of the new bundle; without one that of the old")
    options = parser.parse_args(arguments)
    images = joined([Images.read(table, TISSUE).named(NUMBERS) for table in options.table])
    causes = causes_of(images, options.source)
    bundle = add_causes(options.bundle, causes, options.out, options.version, options.licence)
    print(f"{bundle.folder} {bundle.manifest.version} {bundle.digest[:12]}")


def causes_of(images: Images, source: str) -> Causes:
    """The regression on all images, and what those on other people say of the clean ones."""
    clean = presence_of(images, FIT)[images.artefact == CLEAN].sum(axis=1)
    said = f"{len(images.harm)} images of {len(set(images.person))} heads, {source}"
    return Causes(presence=fit_causes(images, FIT), clean=tuple(np.sort(clean).tolist()), source=said)


def add_causes(folder: Path, causes: Causes, out: Path, version: str, licence: str = "") -> Bundle:
    """The bundle of lesions in ``folder``, telling causes; its words in other languages are to be written anew.

    ``licence``: under which it may be used, where that of the old bundle no longer says it.

    Raises:
        BundleError: it is no bundle of lesions, or not whole.
    """
    manifest = load_bundle(folder).manifest
    settings = replace(structured(manifest.settings, LesionSettings), presence=causes.presence)
    said = declared("artefacts")
    draft = out.with_name(out.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(folder, draft, ignore=shutil.ignore_patterns("words.*.toml"))
    made = replace(
        manifest,
        version=version,
        settings=Converter().unstructure(settings),
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
        thresholds=replace(manifest.thresholds, evident=EVIDENT),
        training=replace(
            manifest.training,
            data=(*_before(manifest.training.data), f"{_SAID}{causes.source}"),
            licence=licence or manifest.training.licence,
        ),
        files={name: digest for name, digest in manifest.files.items() if name != OUTPUTS},
    )
    write_manifest(draft, with_golden(draft, made, lesion_engines(draft)))
    return finish_draft(draft, out)


def _without(named: Mapping[str, _T]) -> dict[str, _T]:
    """All but the artefact, which is told first."""
    return {name: value for name, value in named.items() if name != ARTEFACT}


def _before(data: Sequence[str]) -> list[str]:
    """What was said of the data before causes were."""
    return [one for one in data if not one.startswith(_SAID)]


if __name__ == "__main__":
    main()
