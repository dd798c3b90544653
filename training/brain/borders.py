"""Where one tissue ends and the next begins: two offsets of the logits, fitted on the open MNI152 template.

Label maps draw their borders by a convention of their own. A network trained on them calls a quarter of the template's
white matter grey, and as much of real people's (docs/log.md). The offsets that make its probabilities those of FAST's
partial volumes on the template (a bias correction as in Alexandari et al. 2020) put the borders right in both; the
network itself, and what it says of the variances, stay as they are.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.brain.prediction import prepare
from models.nets.brain import BrainConfig, BrainNet
from models.nets.judge import Borders
from models.preprocess import Grid, resample
from training.brain.networks import BRAIN_GRID, VARIANCES, load_locator, locator_of
from training.nifti import read_canonical
from training.running.run import Journal, load_weights
from training.synthesis.labelmaps import CSF, WHITE

_STEPS = 100
#: Least share of a template voxel that must lie in the network's box.
_INSIDE = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class BordersPlan:
    """``start``: the brain network's checkpoint, or an exported judge; ``template``: the folder of mni152-2mm."""

    run: Path
    start: Path
    locator: Path
    template: Path


def fit_borders(plan: BordersPlan) -> Borders:
    """Fit the offsets and write them to ``plan.run/checkpoint.pt``."""
    brain = BrainNet(BrainConfig())
    load_weights(plan.start, brain, without=VARIANCES)
    logits, fractions = _template(plan, brain.eval())
    borders = fit(logits, fractions)
    Journal(plan.run).write(csf=borders.offsets[CSF].item(), white=borders.offsets[WHITE].item())
    torch.save({"average": borders.state_dict()}, plan.run / "checkpoint.pt")
    return borders


def fit(logits: Tensor, fractions: Tensor) -> Borders:
    """The offsets of CSF and white matter at which cross-entropy with ``fractions`` (4, N) is least; logits (4, N).

    Only the tissues compete: the template's fractions know no background, and say nothing of the brain's outer border.
    """
    free = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.LBFGS([free], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def offsets() -> Tensor:
        return torch.zeros(len(logits)).index_put((torch.tensor([CSF, WHITE]),), free)

    def loss() -> Tensor:
        optimiser.zero_grad()
        shifted = (logits + offsets()[:, None])[CSF:].log_softmax(dim=0)
        value = -(fractions[CSF:] * shifted).sum(dim=0).mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    borders = Borders(len(logits))
    borders.offsets.copy_(offsets().detach())
    return borders


@torch.no_grad()
def _template(plan: BordersPlan, brain: BrainNet) -> tuple[Tensor, Tensor]:
    """Logits and tissue fractions (4, N) of the template's brain voxels."""
    head, affine = read_canonical(plan.template / "MNI152_T1_2mm.nii.gz")
    tissues = [
        read_canonical(plan.template / f"MNI152_T1_2mm_Brain_FAST_pve_{number}.nii.gz")[0] for number in range(3)
    ]
    prepared = prepare(head, affine, BRAIN_GRID, locator_of(load_locator(plan.locator)))
    found = brain(torch.from_numpy(prepared.image)[None, None]).logits[0].numpy()
    grid = Grid(head.shape, affine)
    inside = resample(np.ones_like(prepared.image), prepared.grid, grid) > _INSIDE
    fractions = np.stack([np.zeros_like(head), *tissues])
    brain_voxels = inside & (fractions.sum(axis=0) > _INSIDE)
    logits = np.stack([resample(one, prepared.grid, grid)[brain_voxels] for one in found])
    return torch.from_numpy(logits), torch.from_numpy(fractions[:, brain_voxels])
