"""The gate: how likely today's health signals are, as a number between 0 (stop) and 1 (calm).

Letters: S signals.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

ANCHORS = ((1.0, 1.0), (1 / 480, 0.8), (1 / 1440, 0.5), (1 / 7200, 0.3), (5**-1.5 / 7200, 0.0))
"""(tail probability, coherence).  Judged hourly, a healthy portfolio whose scores follow the tail
falls below 0.8 once in 20 days, below 0.5 once in 60 and below 0.3 once in 300; lighter tails
alarm less often.  The last step keeps the slope down to 0."""


def coherence(scores: Tensor, *, dof: int = 8) -> Tensor:
    """Coherence of one window from the standardised scores of its signals.

    Each score becomes an upper tail probability of Student's t, whose tail is heavier than the
    normal one because the caller standardised by an estimated spread; ``p = min(1, S min_s p_s)``
    (Bonferroni) holds however the signals depend on each other; ``ANCHORS`` are joined by
    straight lines in log p.

    Args:
        scores: [..., S], each signal standardised by its own past; large is bad.
        dof: degrees of freedom of the tail, even.

    Returns:
        [...] float64 in [0, 1], falling in every score; 0 where a score is NaN or infinite,
        because health that is missing is bad health.

    Raises:
        ValueError: if there is no signal or ``dof`` is not a positive even number.

    >>> coherence(torch.tensor([0.0, 0.0, 0.0])).item()
    1.0
    """
    if scores.dim() < 1 or scores.shape[-1] < 1:
        raise ValueError(f"scores have shape {tuple(scores.shape)}, expected [..., S] with S >= 1")
    worst = scores.double().amax(-1)
    p = (scores.shape[-1] * upper_tail(worst, dof)).clamp(max=1.0)
    return torch.where(scores.isfinite().all(-1), _interpolate(p), 0.0)


def upper_tail(t: Tensor, dof: int) -> Tensor:
    """P(T > t) of Student's t with an even number of degrees of freedom, in float64.

    With ``c = dof / (dof + t^2)``, ``P(|T| < t) = sin(atan(t / sqrt(dof))) (1 + c/2 + 1*3/(2*4)
    c^2 + ...)``, dof/2 terms (Abramowitz and Stegun, 26.7.4).

    Raises:
        ValueError: if ``dof`` is not a positive even number.
    """
    if dof < 2 or dof % 2:
        raise ValueError(f"dof is {dof}, expected a positive even number")
    t = t.double()
    c = dof / (dof + t.square())
    term = torch.ones_like(t)
    total = term
    for j in range(1, dof // 2):
        term = term * c * (2 * j - 1) / (2 * j)
        total = total + term
    return 0.5 * (1 - t / torch.sqrt(dof + t.square()) * total)


def _interpolate(p: Tensor) -> Tensor:
    """Coherence of a tail probability, linear in log p between the anchors."""
    # Bounding p keeps log finite; the bound lies on the last anchor, so nothing is lost.
    x = p.clamp(min=ANCHORS[-1][0]).log()
    result = torch.zeros_like(x)
    for (p_high, c_high), (p_low, c_low) in pairwise(ANCHORS):
        share = (x - math.log(p_low)) / (math.log(p_high) - math.log(p_low))
        result = result + (c_high - c_low) * share.clamp(0.0, 1.0)
    return result
