"""A bundle is whole or it is refused."""

import json
from dataclasses import replace

import pytest
from builders import manifest

from models.bundle import BundleError, Reference, file_digest, load_bundle, parse_manifest, write_manifest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "judge.onnx").write_bytes(b"graph")
    write_manifest(tmp_path, replace(manifest(), files={"judge.onnx": file_digest(tmp_path / "judge.onnx")}))
    return tmp_path


def test_what_was_written_is_read_back(folder):
    bundle = load_bundle(folder)

    assert replace(manifest(), files=bundle.manifest.files) == bundle.manifest
    assert file_digest(folder / "manifest.json") == bundle.digest


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
    write_manifest(folder, replace(manifest(), files={str(outside): file_digest(outside)}))
    with pytest.raises(BundleError, match="outside its folder"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m.pop("labels"), "labels"),
        (lambda m: m.update(format=1), "format"),
        (lambda m: m["network"].update(box="large"), "box"),
        (lambda m: m["thresholds"].update(alpha="low"), "alpha"),
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
