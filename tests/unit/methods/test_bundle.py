"""A bundle is whole or it is refused."""

import ast
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from builders.judging.values import manifest

from models.bundle import BundleError, file_digest, load_bundle, parse_manifest, write_manifest
from models.manifest import (
    CauseEntry,
    Golden,
    GraphFile,
    Input,
    Manifest,
    Organ,
    Reference,
    SignalEntry,
    StructureEntry,
    Thresholds,
    Tolerance,
    Training,
)

ROOT = Path(__file__).resolve().parents[3]


FILES = ("judge.onnx", "head.nii.gz", "outputs.npz")


def digests(folder):
    return {name: file_digest(folder / name) for name in FILES}


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes(b"graph")
    write_manifest(tmp_path, replace(manifest(), files=digests(tmp_path)))
    return tmp_path


def test_what_was_written_is_read_back(folder):
    bundle = load_bundle(folder)

    assert replace(manifest(), files=bundle.manifest.files) == bundle.manifest
    assert file_digest(folder / "manifest.json") == bundle.digest


#: Attributes by which the manifest's fields are read; every one of them must stand somewhere in the software.
SOURCES = [path for name in ("daemon", "models", "export") for path in (ROOT / name).rglob("*.py")]


@pytest.mark.parametrize(
    "declared",
    [
        Manifest,
        Organ,
        Input,
        GraphFile,
        StructureEntry,
        CauseEntry,
        SignalEntry,
        Thresholds,
        Golden,
        Tolerance,
        Training,
    ],
)
def test_every_field_of_the_manifest_is_read_by_somebody(declared):
    read = {
        node.attr
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }

    assert set() == {field.name for field in fields(declared)} - read - {"format"}


def test_a_changed_file_is_refused(folder):
    (folder / "judge.onnx").write_bytes(b"grapH")
    with pytest.raises(BundleError, match=r"judge\.onnx is not the file"):
        load_bundle(folder)


def test_a_missing_file_is_refused(folder):
    (folder / "judge.onnx").unlink()
    with pytest.raises(BundleError, match=r"lacks judge\.onnx"):
        load_bundle(folder)


def test_a_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"no manifest\.json"):
        load_bundle(tmp_path)


def test_a_file_outside_the_folder_is_refused(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("x") / "secret"
    outside.write_bytes(b"secret")
    write_manifest(folder, replace(manifest(), files=digests(folder) | {str(outside): file_digest(outside)}))
    with pytest.raises(BundleError, match="outside its folder"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m.pop("organ"), "organ"),
        (lambda m: m.update(format=4), "format"),
        (lambda m: m["thresholds"].update(alpha="low"), "alpha"),
        (lambda m: m["signals"]["noise"].update(evidence="hearsay"), "evidence"),
        (lambda m: m.update(primary="rank"), "names in primary what it does not declare \\(rank"),
        (lambda m: m["signals"]["noise"].update(cause="rain"), "signals.cause .*rain"),
        (lambda m: m["signals"]["noise"].update(structure="liver"), "signals.structure .*liver"),
        (lambda m: m["signals"]["noise"].update(compared_with="sum"), "signals.compared_with .*sum"),
        (lambda m: m["references"][0]["scores"].update(sum=[1.0]), "references .*sum"),
        (lambda m: m["known"]["scores"].update(entropy=[1.0]), "known .*entropy"),
        (lambda m: m["golden"]["expected"].update(liver=1.0), "golden.expected .*liver"),
        (lambda m: m["golden"]["images"].update(flair="f.nii"), "golden.images .*flair"),
        (lambda m: m["files"].pop("outputs.npz"), "files .*outputs.npz"),
        (lambda m: m["signals"].update(CSF={"evidence": "image"}), "a signal and a structure alike .CSF"),
        (lambda m: m["thresholds"].update(impaired=0.0), "tolerates no loss"),
        (lambda m: m.update(graphs={"g": {"file": "g.onnx", "inputs": [], "outputs": []}}), "files .*g.onnx"),
    ],
)
def test_a_manifest_of_another_shape_is_refused_and_the_key_named(folder, change, said):
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    with pytest.raises(BundleError, match=said):
        parse_manifest(json.dumps(content).encode())


@pytest.mark.parametrize(
    "change",
    [
        lambda references: references.clear(),
        lambda references: references.pop(),
        lambda references: references.reverse(),
        lambda references: references[0].update(coarsest_mm=3.0),
        lambda references: references[0].update(coarsest_mm=None),
        lambda references: references[0]["scores"].pop("entropy"),
        lambda references: references[2]["scores"].update(task=[1.0]),
    ],
)
def test_references_that_leave_a_series_without_one_are_refused(folder, change):
    scores = {"uncertainty": (1.0, 2.0), "entropy": (3.0,)}
    three = tuple(Reference(source=f"{side}", scores=scores, coarsest_mm=side) for side in (1.5, 2.5, None))
    write_manifest(folder, replace(load_bundle(folder).manifest, references=three))
    content = json.loads((folder / "manifest.json").read_text())

    assert three == load_bundle(folder).manifest.references
    change(content["references"])
    with pytest.raises(BundleError, match="every series one reference"):
        parse_manifest(json.dumps(content).encode())


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe"])
def test_what_is_no_manifest_is_refused(text):
    with pytest.raises(BundleError, match="not of this format"):
        parse_manifest(text)
