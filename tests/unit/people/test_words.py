"""What verdicts say in German: every sentence of ours has its words, every shipped bundle too, and English stays."""

import ast
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from builders.judging.values import assessment, manifest
from cattrs import Converter
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import optional_bundles, shipped_bundles
from daemon.core.errors import Reason
from daemon.core.judging.verdict import decide, decline
from daemon.core.people.sentences import sentences_of
from daemon.core.people.translation import Translation
from daemon.core.people.words import Language
from daemon.core.phrases import Phrase, wording
from daemon.core.values import State, Verdict
from daemon.edge.files.bundle_words import read_translation
from models.bundle import BundleError, load_bundle, read_manifest
from models.physics.artefacts import ARTEFACTS, Artefact

ROOT = Path(__file__).parents[3]
BUNDLES = shipped_bundles() | optional_bundles()
GERMAN = read_translation(Language.GERMAN, BUNDLES.values())


_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def sentences(module: str) -> set[str]:
    """Every text with words outside its gaps that a module of ``judging`` may say, but for what documents it."""
    tree = ast.parse((ROOT / "daemon" / "core" / "judging" / module).read_text())
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documents]
    said = {node.value for node in texts if isinstance(node.value, str) and " " in node.value}
    return {text for text in said if re.search("[a-z]", text) and "\\" not in text}


def said_by(path: Path) -> set[str]:
    """Every text that a module gives to ``say`` or makes a phrase of."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    saying = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in {"say", "Phrase"}]
    given = [node for call in saying for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)]
    return {node.value for node in given if isinstance(node.value, str) and re.search("[a-z]", node.value)}


def test_every_text_of_the_picture_and_the_report_has_german_words():
    report = ROOT / "daemon" / "dicom" / "report"
    modules = (report / "summary.py", report / "sr.py", *(report / "picture").glob("*.py"))
    said = {text for module in modules for text in said_by(module)}

    assert len(said) > 12
    assert set() == said - set(sentences_of(Language.GERMAN))
    assert {"ACCEPT", "REVIEW", "RESCAN", "NOT ASSESSED"} < set(sentences_of(Language.GERMAN))


@pytest.mark.parametrize("folder", BUNDLES.values(), ids=BUNDLES)
def test_every_structure_and_cause_that_the_picture_names_has_german_words(folder):
    shipped = read_manifest(folder)
    german = read_translation(Language.GERMAN, [folder]).texts
    named = {*shipped.structures, *(cause.sentence for cause in shipped.causes.values())}

    assert set() == named - set(german)


def test_every_sentence_of_a_verdict_has_german_words_with_the_same_gaps():
    german = sentences_of(Language.GERMAN)
    said = {*sentences("verdict.py"), *sentences("unusual.py"), *Reason}

    assert len(said) > 35
    assert set() == said - set(german)
    assert [] == [text for text, words in german.items() if text.count("{}") != words.count("{}")]


@pytest.mark.parametrize("folder", BUNDLES.values(), ids=BUNDLES)
def test_every_bundle_that_ships_has_german_words_outside_its_digest(folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "bundle"))
    (copy / "words.de.toml").unlink()

    assert (folder / "words.de.toml").is_file()
    assert load_bundle(folder).digest == load_bundle(copy).digest


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text.replace('"Motion"', '"Movement"'), 'lacks words for "Motion"'),
        (lambda text: text + '"Shimming" = "Homogenisierung"\n', 'has words for "Shimming"'),
        (lambda text: text.replace('"Bewegung"', '" "'), 'has no text for "Motion", "motion"'),
        (lambda text: text.replace('"Bewegung"', "5"), 'has no text for "Motion", "motion"'),
        (lambda text: text + "=", "is no TOML"),
    ],
    ids=["lacking", "unknown", "blank", "no text", "no TOML"],
)
def test_words_that_are_not_those_of_the_manifest_are_refused_at_load(tmp_path, damage, told):
    copy = Path(shutil.copytree(BUNDLES["brain-t1"], tmp_path / "bundle"))
    words = copy / "words.de.toml"
    words.write_text(damage(words.read_text("utf-8")), "utf-8")

    with pytest.raises(BundleError, match=f"words.de.toml {told}"):
        load_bundle(copy)


@given(st.lists(st.floats(0, 50), min_size=5, max_size=5), st.floats(0, 9), st.floats(0, 9))
def test_no_english_is_left_in_a_german_verdict_and_english_stays_as_it_is(levels, entropy, distance):
    found = assessment(dict(zip(ARTEFACTS, levels, strict=True)), entropy=entropy, distance=distance)
    verdict = decide(found, manifest())
    german = GERMAN.verdict(verdict)
    said = " ".join((german.action, german.cause_word, *german.reasons))

    assert (verdict.state, verdict.cause) == (german.state, german.cause)
    assert len(verdict.reasons) == len(german.reasons)
    assert not re.search(r"\b(the|above|images|entropy|distance|Noise|Motion|Blur|Wrap)\b", said)
    assert re.findall(r"\d+(?:\.\d+)?", " ".join(verdict.reasons)) == re.findall(
        r"\d+(?:\.\d+)?", " ".join(german.reasons)
    )
    assert verdict == Translation().verdict(verdict)


def test_a_sentence_is_said_by_its_template_at_its_beginning_too():
    first = Phrase("{} {}", ("Background", Phrase("{} times its usual", ("3.1",))))
    look = "Look at the images before the patient leaves."
    action = Phrase("{}. {}", (Phrase("{}: {}", (first, "noise or ghosting")), look))
    verdict = Verdict(state=State.REVIEW, action=str(action), reasons=("left as it is",), wording=wording(action))
    said = GERMAN.verdict(verdict)

    assert f"Background 3.1 times its usual: noise or ghosting. {look}" == str(action)
    assert said.action == (
        "Hintergrund 3.1-mal so groß wie üblich: Rauschen oder Geisterbilder. Bilder ansehen, bevor der Patient geht."
    )
    assert ("left as it is",) == said.reasons


def test_why_a_series_is_not_judged_is_said_with_its_detail():
    said = GERMAN.verdict(decline(Reason.INCOMPLETE, "3 of 20"))

    assert ("Nicht beurteilt: Schichten fehlen: 3 of 20. Bitte selbst ansehen.", ("Schichten fehlen: 3 of 20",)) == (
        said.action,
        said.reasons,
    )


def test_a_recorded_verdict_is_said_in_german_as_it_was_when_it_was_given():
    verdict = decide(assessment({Artefact.NOISE: 2.0}, entropy=3.0), manifest())
    recorded = Converter().structure(json.loads(json.dumps(Converter().unstructure(verdict))), Verdict)
    older = replace(verdict, wording=())

    assert GERMAN.verdict(verdict) == GERMAN.verdict(recorded)
    assert "Entropie 3 über 0.3" in GERMAN.verdict(recorded).reasons
    assert ("Rauschen", older.reasons) == (GERMAN.verdict(older).cause_word, GERMAN.verdict(older).reasons)
    assert older == verdict
