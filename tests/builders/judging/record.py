"""What the shipped bundle says of some heads, as values for a record on disk: verdict, numbers, SR, picture.

``PYTHONPATH=.:tests python -P tests/builders/judging/record.py`` writes the record anew: only with a reason, in the
commit.
"""

import base64
import json
import random
import re
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread

from builders.judging.judging import judge_of
from builders.judging.values import assessment, manifest
from builders.running.daemon import golden_datasets
from daemon.commands.scanner.push import spoilt
from daemon.core.judging.verdict import decide
from models.physics.artefacts import ARTEFACTS

RECORD = Path(__file__).parents[2] / "records" / "brain-t1.json"
#: One draw of each artefact, at its worst.
SEVERITY, SEED = 1.0, 7
HEADS = ("clean", *(artefact.value for artefact in ARTEFACTS))
_THUMBNAIL = (64, 48)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def head(name):
    """The golden head as a series, spoilt unless it is to be clean."""
    datasets = golden_datasets()
    artefact = next((one for one in ARTEFACTS if one.value == name), None)
    return datasets if artefact is None else spoilt(datasets, artefact, SEVERITY, SEED)


def told(judged):
    """Everything that a judged series says to anybody, as plain JSON values."""
    summary, report = judged.objects
    verdict = judged.verdict
    return {
        "verdict": {
            "state": verdict.state.value,
            "cause": verdict.cause and str(verdict.cause),
            "action": verdict.action,
            "reasons": list(verdict.reasons),
            "rating": verdict.rating,
        },
        "tree": list(_lines(dcmread(BytesIO(report.payload)))),
        "body part": dcmread(BytesIO(summary.payload)).get("BodyPartExamined"),
        "picture": _thumbnail(judged.picture),
    }


def _lines(item, depth=0):
    """Every content item of an SR as a line: its concept and its value; images and identifiers are left out."""
    for child in (one for one in item.get("ContentSequence", []) if one.ValueType != "IMAGE"):
        concept = child.ConceptNameCodeSequence[0]
        yield f"{depth} {child.ValueType} {concept.CodeValue} {concept.CodeMeaning}{_value(child)}"
        yield from _lines(child, depth + 1)


def _value(item):
    if item.ValueType == "CODE":
        code = item.ConceptCodeSequence[0]
        return f" = {code.CodingSchemeDesignator} {code.CodeValue} {code.CodeMeaning}"
    if item.ValueType == "NUM":
        measured = item.MeasuredValueSequence[0]
        return f" = {measured.NumericValue} {measured.MeasurementUnitsCodeSequence[0].CodeValue}"
    if item.ValueType == "TEXT":
        return f" = {re.sub('[0-9a-f]{12,}', 'digest', item.TextValue)}"
    return ""


def _thumbnail(png):
    stream = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").resize(_THUMBNAIL, Image.Resampling.BOX).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def pixels(thumbnail):
    """The thumbnail as numbers, float (48, 64, 3)."""
    return np.asarray(Image.open(BytesIO(base64.b64decode(thumbnail))), float)


def parts(text):
    """The words of a line and its numbers, apart."""
    return _NUMBER.sub("#", text), [float(number) for number in _NUMBER.findall(text)]


def decisions():
    """What is decided of a hundred assessments drawn from one seed: the rule alone, without any network."""
    draw, answers = random.Random(15), []
    for _ in range(100):
        levels = {artefact: draw.choice([0.0, 0.1, 0.5, 2.0]) for artefact in ARTEFACTS if draw.random() < 0.4}
        presence = dict.fromkeys(ARTEFACTS, draw.choice([0.0, 0.1, 0.5, 0.95]))
        distance = draw.choice([1.0, 1.0, 5.0])
        found = assessment(levels, entropy=draw.choice([0.0, 0.9]), presence=presence, distance=distance)
        verdict = decide(found, manifest())
        answers.append([verdict.state.value, verdict.cause and str(verdict.cause), verdict.action, verdict.rating])
    return answers


def record():
    """What there is to remember."""
    return {"heads": {name: told(judge_of(head(name))) for name in HEADS}, "decisions": decisions()}


if __name__ == "__main__":
    RECORD.write_text(json.dumps(record(), indent=0) + "\n")
