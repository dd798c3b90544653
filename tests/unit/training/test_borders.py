"""The offsets between tissues are found again where they were planted."""

import pytest
import torch

from models.nets.judge import Borders
from training.brain.borders import fit


def planted(offsets, count=4000):
    torch.manual_seed(0)
    logits = 2 * torch.randn(4, count)
    truth = (logits + torch.tensor(offsets)[:, None])[1:].softmax(dim=0)
    return logits, torch.cat([torch.zeros(1, count), truth])


@pytest.mark.parametrize("offsets", [(0.0, 0.0, 0.0, 0.0), (0.0, -1.3, 0.0, 1.8), (0.0, 2.0, 0.0, -3.0)])
def test_planted_offsets_are_found(offsets):
    found = fit(*planted(offsets)).offsets

    torch.testing.assert_close(found, torch.tensor(offsets), atol=1e-3, rtol=1e-3)


def test_the_background_does_not_pull_on_the_tissues():
    """Voxels that the network calls background belong to the brain in the template, whatever their tissue."""
    logits, fractions = planted((0.0, -1.0, 0.0, 1.0))
    logits[0, ::2] += 30

    torch.testing.assert_close(
        fit(logits, fractions).offsets, torch.tensor([0.0, -1.0, 0.0, 1.0]), atol=1e-3, rtol=1e-3
    )


def test_offsets_move_the_logits_of_every_voxel_alike():
    borders = Borders(4)
    borders.offsets.copy_(torch.tensor([0.0, 1.0, 2.0, 3.0]))
    logits = torch.randn(1, 4, 2, 2, 2)

    torch.testing.assert_close((borders(logits) - logits)[0, :, 0, 0, 0], borders.offsets)
