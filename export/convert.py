"""python -m export.convert FOLDER: a brain bundle of format 4 becomes one of format 5, in its own folder.

Weights, references, limits and golden numbers stay; what the software knew of heads before is declared now.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from cattrs import Converter

from export.declared import OUTPUTS, TOLERANCES, brain_manifest, declare_graph
from models.brain.prediction import JUDGE_GRAPH, LOCATOR_GRAPH
from models.bundle import MANIFEST, Bundle, BundleError, file_digest, load_bundle, write_manifest
from models.engines.onnxruntime import OnnxRuntimeEngine
from models.golden import Recorder, save_record
from models.graphs import Graph
from models.manifest import Manifest
from models.methods.brain import ROLE, Brain
from models.subject import still

_OLD = 4
#: Thresholds that were written into the software (``daemon/core/judging/verdict.py`` of 0.1).
_EVIDENT, _CERTAIN = 0.2, 0.9


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert the bundles in some folders."""
    parser = argparse.ArgumentParser(prog="python -m export.convert", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="+")
    for folder in parser.parse_args(arguments).folder:
        bundle = convert(folder)
        print(f"{bundle.folder} {bundle.manifest.version} {bundle.digest[:12]}")


def convert(folder: Path) -> Bundle:
    """The bundle of format 5 in the place of one of format 4.

    Raises:
        BundleError: it is no bundle of format 4, or not whole.
    """
    try:
        old = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise BundleError(f"no manifest of a bundle can be read in {folder}: give its folder") from error
    if not isinstance(old, dict) or old.get("format") != _OLD:
        raise BundleError(f"the bundle in {folder} is not of format {_OLD}: there is nothing to convert")
    for name, digest in old["files"].items():
        if file_digest(folder / name) != digest:
            raise BundleError(f"{name} is not the file the bundle was made with: copy it again")
    manifest = brain_manifest(_measured(folder, old))
    _record(folder, manifest)
    files = {name: file_digest(folder / name) for name in {**old["files"], OUTPUTS: ""}}
    write_manifest(folder, brain_manifest(_measured(folder, old) | {"files": files}))
    return load_bundle(folder)


def _measured(folder: Path, old: Mapping[str, Any]) -> dict[str, Any]:
    """What is this bundle's own, in the names of format 5."""
    box = tuple(old["network"]["box"])
    graphs = {
        LOCATOR_GRAPH: declare_graph(folder, LOCATOR_GRAPH, old["locator"]),
        JUDGE_GRAPH: declare_graph(folder, JUDGE_GRAPH, old["judge"], image=(1, 1, *box)),
    }
    limits = old["thresholds"]
    return {key: old[key] for key in ("name", "version", "references", "known", "parity", "training")} | {
        "graphs": _CONVERTER.unstructure(graphs),
        "settings": {
            "grid": old["network"],
            **{key: old[key] for key in ("labels", "artefacts", "features", "familiarity", "longest_echo_ms")},
            "interval_margins": old["interval_margins"],
        },
        "thresholds": {
            "alpha": limits["alpha"],
            "unfamiliar": limits["unfamiliar"],
            "tolerated_loss": limits["dice_loss"],
            "impaired": limits["impaired"],
            "evident": _EVIDENT,
            "certain": _CERTAIN,
        },
        "golden": {
            "images": {ROLE: old["golden"]["series"]},
            "outputs": OUTPUTS,
            "expected": old["golden"]["expected"],
            "tolerances": _CONVERTER.unstructure(TOLERANCES),
        },
        "files": old["files"],
    }


def _record(folder: Path, manifest: Manifest) -> None:
    """Write what each graph gives for the golden head."""
    nifti = nib.Nifti1Image.from_filename(folder / manifest.golden.images[ROLE])
    image = still(np.asarray(nifti.dataobj, np.float32), np.asarray(nifti.affine, float))
    recorders = {
        name: Recorder(OnnxRuntimeEngine(Graph(bundle=manifest.name, digest="", name=name, file=folder / graph.file)))
        for name, graph in manifest.graphs.items()
    }
    Brain(Bundle(folder, manifest, "")).predict(image, recorders)
    (folder / OUTPUTS).parent.mkdir(exist_ok=True)
    save_record(folder / OUTPUTS, {name: recorder.values for name, recorder in recorders.items()})


_CONVERTER = Converter(omit_if_default=True)


if __name__ == "__main__":
    main()
