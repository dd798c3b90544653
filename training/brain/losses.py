"""Losses of the brain bundle, each with the place it comes from."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from models.nets.brain import smooth_half


def soft_dice_loss(log_probabilities: Tensor, shares: Tensor) -> Tensor:
    """1 - mean soft Dice over the foreground classes, for voxels of several tissues (Wang et al. 2023, equation 8).

    log_probabilities and shares (B, C, ...). The overlap 2 p s of whole voxels (Milletari et al. 2016) is written as
    p + s - |p - s|, the same where s is 0 or 1; of mixed voxels it is largest at p = s, where 2 p s would want p = 1.
    """
    probabilities, truth = log_probabilities[:, 1:].exp().flatten(2), shares[:, 1:].flatten(2)
    both = (probabilities + truth).sum(dim=2)
    overlap = both - (probabilities - truth).abs().sum(dim=2)
    return (1 - (overlap + 1) / (both + 1)).mean()


def cross_entropy(log_probabilities: Tensor, shares: Tensor) -> Tensor:
    """-sum of share x log probability over the tissues: (B, C, D, H, W) twice -> (B, D, H, W)."""
    return -(shares * log_probabilities).sum(dim=1)


def poisson_regression(log_variance: Tensor, target: Tensor) -> Tensor:
    """exp(s) - t s: the Poisson likelihood, whose optimum exp(s) = E[t] is the mean of a sparse target.

    An L1 loss is minimal at the median, which is zero on an error map that is mostly zero.
    """
    return (log_variance.exp() - target * log_variance).mean()


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


def heteroscedastic_loss(cross_entropy: Tensor, variance: Tensor, epsilon: float) -> Tensor:
    """CE / v + log(v) / 2 with v = variance + epsilon (Shaw et al. 2021, equations 4 and 6), mean over the voxels.

    For a given CE it is minimal at variance = 2 CE - epsilon, where that is above zero.
    """
    total = variance + epsilon
    return (cross_entropy / total + 0.5 * total.log()).mean()


def consistency_loss(found: Tensor, target: Tensor) -> Tensor:
    """What holds a variance map (B, D, H, W) to a teacher's (Shaw et al. 2021, equation 7).

    L1, L1 of the gradients along each axis, and a tenth of the structural dissimilarity.
    """
    gradients = [(found.diff(dim=axis) - target.diff(dim=axis)).abs().mean() for axis in (1, 2, 3)]
    return (found - target).abs().mean() + torch.stack(gradients).sum() + 0.1 * dissimilarity(found, target)


def dissimilarity(first: Tensor, second: Tensor) -> Tensor:
    """Mean of (1 - SSIM) / 2 with 3 x 3 x 3 uniform windows, for maps (B, D, H, W) of unit range (Wang et al. 2004)."""

    def local(values: Tensor) -> Tensor:
        return F.avg_pool3d(values[:, None], 3, stride=1)

    one, two = local(first), local(second)
    spread_one, spread_two = local(first**2) - one**2, local(second**2) - two**2
    shared = local(first * second) - one * two
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * one * two + c1) * (2 * shared + c2)
    similarity = similarity / ((one**2 + two**2 + c1) * (spread_one + spread_two + c2))
    return torch.clamp((1 - similarity) / 2, 0, 1).mean()


def stochastic_nll(samples: Tensor, labels: Tensor) -> Tensor:
    """-log mean_m p(labels | sample m), over the number of voxels (Monteiro et al. 2020, equation 9).

    samples (M, C, S): logits of the whole image; labels (S,) int64. The voxels of one sample are judged together: a
    sample is likely only if it is right everywhere.
    """
    log_likelihood = samples.log_softmax(dim=1).gather(1, labels.expand(len(samples), 1, -1)).sum(dim=(1, 2))
    return -(log_likelihood.logsumexp(dim=0) - math.log(len(samples))) / labels.numel()
