"""Moving one weighted cloud of points onto another: exactly on a line, exactly by a linear programme.

On a line the best plan keeps the order of the points, so ``W_p^p`` is the integral of
``|F^-1(t) - G^-1(t)|^p`` over t in [0, 1], and the quantile functions are steps.

Letters: N and M points of the two clouds, P directions, D width.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def directions(count: int, width: int, rng: torch.Generator) -> Tensor:
    """Unit vectors, each uniform on the sphere, at right angles to each other within a block of D.

    A block is an orthogonal matrix, drawn uniformly from a Gaussian one. The squares of a vector's D
    coordinates in it sum to its squared length, so a whole block measures a shift without error.

    Returns:
        [P, D] in float64.
    """
    blocks = -(-count // width)
    gaussian = torch.randn(blocks, width, width, generator=rng, dtype=torch.float64)
    q, r = torch.linalg.qr(gaussian)
    # QR leaves the signs open; those of r's diagonal make q uniform over the orthogonal matrices.
    u: Tensor = (q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None]).mT
    return u.reshape(-1, width)[:count]


def sphere_moment(power: float, width: int) -> float:
    """``E |u_1|^p`` of a unit vector u that is uniform on the sphere of D dimensions.

    >>> sphere_moment(2.0, 5)
    0.2
    """
    log = math.lgamma(width / 2) + math.lgamma((power + 1) / 2) - math.lgamma((width + power) / 2)
    return round(math.exp(log) / math.sqrt(math.pi), 15)


def normalised(weights: Tensor) -> Tensor:
    """Weights [..., N] that sum to 1; all zero where they are all zero.

    Raises:
        RuntimeError: if one is negative.
    """
    torch._assert_async((weights.detach() >= 0).all(), "a point's weight is negative or NaN")
    return weights / weights.sum(-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)


def line_cost(x: Tensor, y: Tensor, x_shares: Tensor, y_shares: Tensor, power: float) -> Tensor:
    """``W_p^p`` of two weighted clouds on a line.

    Args:
        x: [..., N].
        y: [..., M]; leading sizes broadcast.
        x_shares: [..., N], not negative, sum 1.
        y_shares: [..., M], likewise.
        power: p, at least 1.

    Returns:
        [...], with gradients to points and shares.

    >>> x, y = torch.tensor([0.0, 1.0]), torch.tensor([5.0])
    >>> line_cost(x, y, torch.tensor([0.5, 0.5]), torch.ones(1), 1.0).item()
    4.5
    """
    x, x_levels = _quantiles(x, x_shares)
    y, y_levels = _quantiles(y, y_shares)
    lead = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1])  # type: ignore[no-untyped-call]
    x, x_levels, y, y_levels = (each.expand(*lead, -1) for each in (x, x_levels, y, y_levels))
    levels, order = torch.cat([x_levels, y_levels], -1).sort(-1)
    share = torch.diff(levels, dim=-1, prepend=torch.zeros_like(levels[..., :1]))
    of_x = order < x.shape[-1]
    gap = _step(x, of_x) - _step(y, ~of_x)
    return (share * gap.abs().pow(power)).sum(-1)


def _quantiles(x: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Points in order, and the level at which each one's step of the quantile function ends."""
    x, order = x.sort(-1)
    return x, shares.expand_as(order).gather(-1, order).cumsum(-1)


def _step(x: Tensor, ends: Tensor) -> Tensor:
    """The point at each merged level, the first whose step has not ended before; ``ends`` marks the levels of x."""
    before = ends.cumsum(-1) - ends.long()
    # Rounding may end the last step below 1.
    return x.gather(-1, before.clamp_max(x.shape[-1] - 1))


def equal_line_cost(x: Tensor, y: Tensor, power: float) -> Tensor:
    """``line_cost`` of clouds whose points count the same: the levels are known, so only the points are sorted.

    Args:
        x: [..., N].
        y: [..., M]; leading sizes broadcast.
        power: p, at least 1.

    Returns:
        [...], with gradients to the points.
    """
    x, y = x.sort(-1).values, y.sort(-1).values
    n, m = x.shape[-1], y.shape[-1]
    if n == m:
        return (x - y).abs().pow(power).mean(-1)
    # In units of 1 / nm the levels are integers: i m for x, j n for y.
    ends = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).to(x.device).sort().values
    share = torch.diff(ends, prepend=torch.zeros_like(ends[:1])).to(x) / (n * m)
    gap = x[..., (ends - 1) // m] - y[..., (ends - 1) // n]
    return gap.abs().pow(power) @ share


def root(cost: Tensor, power: float) -> Tensor:
    """``cost ** (1 / p)``, whose gradient at 0 is 0 instead of infinite."""
    zero = cost == 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, cost).pow(1 / power))


def exact_plan(cost: Tensor, x_shares: Tensor, y_shares: Tensor) -> Tensor:
    """The cheapest way to move one cloud onto the other: a linear programme, solved by SciPy's HiGHS.

    Args:
        cost: [N, M] of moving one unit from a point of x to a point of y.
        x_shares: [N], not negative, sum 1.
        y_shares: [M], likewise.

    Returns:
        Plan [N, M], not negative, whose rows sum to ``x_shares`` and columns to ``y_shares``; without gradient.

    >>> exact_plan(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([0.5, 0.5]), torch.tensor([0.75, 0.25]))
    tensor([[0.5000, 0.0000],
            [0.2500, 0.2500]])
    """
    from scipy import optimize, sparse  # only who asks for a plan pays for the import

    n, m = cost.shape
    rows = sparse.kron(sparse.eye(n), np.ones((1, m)))
    columns = sparse.kron(np.ones((1, n)), sparse.eye(m))
    sums = torch.cat([x_shares, y_shares]).detach().double().cpu().numpy()
    # In single precision the two sums differ in the last places, and no plan would have both.
    sums[n:] *= sums[:n].sum() / sums[n:].sum()
    # The equations are dependent (both halves sum to 1); the last one would only add rounding.
    equations = sparse.vstack([rows, columns]).tocsr()[:-1]
    solved = optimize.linprog(cost.detach().double().cpu().numpy().ravel(), A_eq=equations, b_eq=sums[:-1])
    assert solved.success, solved.message
    return torch.from_numpy(solved.x.reshape(n, m)).to(cost)
