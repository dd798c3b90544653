"""Losses of the brain bundle, each with the place it comes from."""

import torch
from torch import Tensor
from torch.nn import functional as F


def soft_dice_loss(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """1 - mean soft Dice over the foreground classes (Milletari et al. 2016).

    log_probabilities (B, C, ...), labels (B, ...) int64.
    """
    losses = []
    for label in range(1, log_probabilities.shape[1]):
        probability = log_probabilities[:, label].exp()
        truth = labels == label
        overlap = probability[truth].sum()
        losses.append(1 - (2 * overlap + 1) / (probability.sum() + truth.sum() + 1))
    return torch.stack(losses).mean()


def poisson_regression(log_variance: Tensor, target: Tensor) -> Tensor:
    """exp(s) - t s: the Poisson likelihood, whose optimum exp(s) = E[t] is the mean of a sparse target.

    An L1 loss is minimal at the median, which is zero on an error map that is mostly zero.
    """
    return (log_variance.exp() - target * log_variance).mean()


def smooth_half(error: Tensor) -> Tensor:
    """A voxel-wise error map (B, D, H, W) averaged to half resolution and over 3 x 3 x 3 of those voxels."""
    halved = F.avg_pool3d(error[:, None], 2)
    return F.avg_pool3d(halved, 3, stride=1, padding=1, count_include_pad=False)[:, 0]


def error_maps(cross_entropy: Tensor) -> Tensor:
    """2 CE (B, D, H, W) at half resolution: the variance at which the heteroscedastic loss is minimal; no gradient."""
    return 2 * smooth_half(cross_entropy.detach())


def variance_targets(corrupted: Tensor, clean: Tensor, severity: Tensor) -> Tensor:
    """Error maps (B, D, H, W) of the corrupted and the clean head -> the target of each variance (B, 6, D, H, W).

    The task's is the clean error; what the artefacts add is theirs, in proportion to their severities (B, 5).
    """
    added = torch.clamp(corrupted - clean, min=0)[:, None]
    share = severity / severity.sum(dim=1, keepdim=True).clamp(min=1e-6)
    return torch.cat([clean[:, None], added * share[:, :, None, None, None]], dim=1)
