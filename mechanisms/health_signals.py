"""Three signals of how a set of rows does, none of which depends on the order of the rows.

Each answers the signal and the part of each row in it.  Only ``structure`` looks at the rows as a shape; ``change``
compares each row with itself; ``surprise`` looks at outcomes.

Letters: B windows, N rows, n rows that count, D width of a state, V outcomes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mechanisms.graph import nearest

SIGNALS = ("structure", "change", "surprise")
"""Names of the signals, in the order in which scores are stacked."""

Signal = tuple[Tensor, Tensor]
"""[B] and [B, N]; parts of rows that do not count are 0."""


def structure(
    current: Tensor, reference: Tensor, mask: Tensor, *, neighbours: int, floor: float, landmarks: int
) -> Signal:
    """Mean over rows of the log of how much further their neighbours are than in the reference.

    Negative where rows crowd, positive where they scatter; a row's part is how far its own ratio is from the median.

    Args:
        current: [B, N, D].
        reference: [B, N, D].
        mask: [B, N] boolean, rows that count.
        neighbours: nearest rows of which the mean log distance is taken.
        floor: added to a distance.
        landmarks: most rows that others are compared with.
    """
    now, then = (_nearness(x, mask, neighbours, floor, landmarks) for x in (current, reference))
    ratio = torch.where(mask, now - then, 0.0)
    middle = torch.where(mask, ratio.detach(), torch.nan).nanmedian(dim=1, keepdim=True).values
    return ratio.sum(1) / _count(mask), torch.where(mask, (ratio - middle).abs(), 0.0)


def change(moves: Tensor, mask: Tensor) -> Signal:
    """How far the rows moved together: the root of ``n |mean|^2 / D + l``, l the largest eigenvalue of ``M^T M / n``.

    The first term sees all rows move a little alike; the second some rows move much, or two groups part, which leaves
    the mean where it was.  A row's part is its share of both; parts sum to the square of the signal.

    Args:
        moves: M [B, N, D], zero where masked.
        mask: [B, N] boolean, rows that count.
    """
    n = _count(mask)[:, None]
    common = (moves @ moves.sum(1)[..., None])[..., 0] / n / moves.shape[2]
    parts = common + _along_the_main_direction(moves) / n
    return parts.sum(1).clamp_min(torch.finfo(parts.dtype).tiny).sqrt(), parts


def surprise(residuals: Tensor, mask: Tensor) -> Signal:
    """``log(n mean(r)^2 + mean(r^2))`` of residuals, averaged over outcomes inside the log.

    The first term sees many rows miss by a little on the same side, the second a few rows miss by much; both are 1 in
    expectation for independent standard residuals.  Parts sum to the exponential of the signal.

    Args:
        residuals: [B, N, V], zero where masked.
        mask: [B, N] boolean, rows that count.
    """
    common = residuals * residuals.sum(1, keepdim=True)
    parts = (common + residuals.square()).mean(-1) / _count(mask)[:, None]
    # A window in which nothing happened stays finite.
    return parts.sum(1).clamp_min(torch.finfo(parts.dtype).tiny).log(), parts


def _count(mask: Tensor) -> Tensor:
    """Rows that count, at least 1, [B]."""
    return mask.sum(1).clamp_min(1)


def _nearness(states: Tensor, mask: Tensor, neighbours: int, floor: float, landmarks: int) -> Tensor:
    """Mean log distance of each row to its nearest ones, [B, N]; 0 for a row alone."""
    far = nearest(states, mask, neighbours, landmarks)
    there = ~far.isinf()  # what is no number stays none
    logs = torch.where(there, far, 1.0).add(floor).log()
    return (logs * there).sum(-1) / there.sum(-1).clamp_min(1)


def _along_the_main_direction(moves: Tensor) -> Tensor:
    """Squares of each row's move along the direction in which squares sum to most, [B, N]."""
    wide = moves.shape[2] > moves.shape[1]  # the smaller of the two squares has the same eigenvalues
    square = moves @ moves.transpose(1, 2) if wide else moves.transpose(1, 2) @ moves
    # The solver refuses what is not finite; such a window has no number.
    finite = square.isfinite().all(-1).all(-1)
    values, vectors = torch.linalg.eigh(torch.where(finite[:, None, None], square, 0.0))
    main = vectors[..., -1:]
    along = values[:, -1:, None].clamp_min(0.0) * main.square() if wide else (moves @ main).square()
    return torch.where(finite[:, None], along[..., 0], torch.nan)
