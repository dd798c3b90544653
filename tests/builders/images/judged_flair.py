"""A FLAIR as its networks see it, and a table of judged ones whose artefacts each raise one number of the spectrum."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from models.lesions.prediction import Prediction
from models.lesions.scores import single_pass
from models.physics.spectrum import describe, feature_names
from models.statistics.harm import CLEAN
from training.harm.flair_images import TISSUE
from training.harm.presence_tables import NAMES


def prediction() -> Prediction:
    """White matter with one lesion, grey matter beside it, dark fluid; its stored image is another one, of stripes."""
    mask = np.zeros((24, 24, 24), bool)
    mask[10:13, 10:13, 10:13] = True
    tissues = np.zeros((4, *mask.shape), np.float32)
    tissues[3, 2:-2, 2:-2, 2:-2], tissues[2, 2:4], tissues[1, 4:5], tissues[0] = 0.9, 0.95, 0.97, 0.5
    image = np.where(tissues.argmax(axis=0) == 1, 0.3, 1.0).astype(np.float32) + 0.5 * mask
    stored = 1 + np.sin(np.arange(40))[:, None, None] * np.ones((40, 40, 40), np.float32)
    return Prediction(
        image=image,
        probability=np.where(mask, 0.95, 0.02).astype(np.float32),
        tissues=tissues,
        level=1.2,
        mask=mask,
        affine=np.diag([2.0, 2.0, 2.0, 1.0]),
        features=describe(stored.astype(np.float32), np.eye(4)),
    )


def write_table(
    path: Path,
    people: int = 24,
    seed: int = 0,
    tissue: str = TISSUE,
    judged: Callable[[str], Mapping[str, float]] = lambda _: single_pass(prediction()),
) -> Path:
    """Images of people, each clean twice and spoilt by each artefact; an artefact raises one number of the spectrum.

    ``judged``: what a bundle told of an image with this artefact.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        for number, artefact in enumerate((CLEAN, CLEAN, *NAMES)):
            spectrum = dict.fromkeys(feature_names(), 0.0)
            for name, feature in zip(NAMES, feature_names()[20:], strict=False):
                spectrum[feature] = 5.0 * (name == artefact) + 0.3 * rng.standard_normal()
            harm = 0.0 if artefact == CLEAN else 0.4
            rows.append(
                {
                    "head": f"sub-{person}",
                    "person": f"sub-{person}",
                    "style": "" if number != 1 else "style 1",
                    "artefact": artefact,
                    "family": CLEAN if artefact == CLEAN else "published",
                    "severity": 0.5,
                    f"harm:{tissue}": harm,
                    f"dice:{tissue}": 0.7 - harm if person else float("nan"),
                    **spectrum,
                    **judged(artefact),
                }
            )
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
