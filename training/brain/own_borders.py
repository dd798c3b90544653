"""Where a user's own segmentations put the borders between tissues: the offsets of the logits, fitted on their heads.

As ``training/brain/borders.py``, with whole voxels of one tissue in place of the template's partial volumes: what the
segmentations call grey matter is what the bundle calls so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.brain.prediction import Locate, NoHeadFound, prepare
from models.nets.brain import BrainConfig, BrainNet
from models.nets.judge import Borders
from models.preprocess import Grid, nearest
from training.brain.borders import fit
from training.brain.networks import BRAIN_GRID, VARIANCES, load_locator, locator_of
from training.nifti import read_canonical
from training.running.run import Journal, load_weights
from training.synthesis.labelmaps import CSF, TISSUES, WHITE

#: Voxels of each head that are asked.
_VOXELS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBordersPlan:
    """``start``: the brain network's checkpoint, or an exported judge; ``people``: sub-XX/anat with their labels.

    ``heads``: so many of them at most.
    """

    run: Path
    start: Path
    locator: Path
    people: Path
    heads: int = 20
    seed: int = 0


def fit_own_borders(plan: OwnBordersPlan) -> Borders:
    """Fit the offsets and write them to ``plan.run/checkpoint.pt``; none where no head is found."""
    brain = BrainNet(BrainConfig())
    load_weights(plan.start, brain, without=VARIANCES)
    found = list(_heads(plan, brain.eval(), locator_of(load_locator(plan.locator))))
    borders = Borders(len(TISSUES))
    if found:
        logits, shares = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
        borders = fit(logits, shares)
    plan.run.mkdir(parents=True, exist_ok=True)
    Journal(plan.run).write(heads=len(found), csf=borders.offsets[CSF].item(), white=borders.offsets[WHITE].item())
    torch.save({"average": borders.state_dict()}, plan.run / "checkpoint.pt")
    return borders


@torch.no_grad()
def _heads(plan: OwnBordersPlan, brain: BrainNet, locate: Locate) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits and tissues (4, N) of some brain voxels of each head that is found."""
    rng = np.random.default_rng(plan.seed)
    for path in sorted(plan.people.glob("sub-*/anat/*_T1w.nii.gz"))[: plan.heads]:
        head, affine = read_canonical(path)
        drawn, _ = read_canonical(path.with_name(path.name.replace("T1w", "desc-tissue_dseg")))
        try:
            prepared = prepare(head, affine, BRAIN_GRID, locate)
        except NoHeadFound:
            continue
        labels = nearest(drawn.astype(np.int64), Grid(drawn.shape, affine), prepared.grid)
        inside = np.flatnonzero(labels)
        if inside.size:
            chosen = torch.from_numpy(rng.permutation(inside)[:_VOXELS])
            logits = brain(torch.from_numpy(prepared.image)[None, None]).logits[0].flatten(1)[:, chosen]
            tissues = torch.from_numpy(labels).flatten()[chosen]
            yield logits, F.one_hot(tissues, len(TISSUES)).T.float()
