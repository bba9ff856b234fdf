"""The stereographic model of constant curvature: hyperbolic below zero, flat at it, spherical above.

A point x of curvature k is a vector; lengths at x are ``2 / (1 + k |x|^2)`` times the Euclidean ones (Bachmann,
Becigneul and Ganea 2020).  Everything is smooth in k, through zero as well, because it is written with functions of
``z = k |x|^2`` that have a power series there: ``tan(sqrt z) / sqrt z`` becomes ``tanh(sqrt -z) / sqrt -z`` and so on.

Vectors at the origin are measured in length: ``exp0(v)`` lies at distance ``|v|``.

Letters: d dimensions, N and M points.  ``k`` broadcasts to [..., 1], as squared lengths do.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mechanisms.lorentz import length

SERIES = 1e-2
"""Below this ``|z|`` the power series is used: the closed form's derivative would lose ``eps / z``."""
REACH = 0.45 * math.pi
"""How far from the origin, in radii of a sphere, points may lie so that any of them have one midpoint: less than a
quarter turn.  The pole, half a turn away, lies at infinity in this model."""

_TAN = (1.0, 1 / 3, 2 / 15, 17 / 315, 62 / 2835, 1382 / 155925, 21844 / 6081075)
_ATAN = (1.0, -1 / 3, 1 / 5, -1 / 7, 1 / 9, -1 / 11, 1 / 13)
_SIN = (1.0, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880)
_COS = (1.0, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800)


def tan(z: Tensor) -> Tensor:
    """``tan(sqrt z) / sqrt z``, for z below ``pi^2 / 4``."""
    return _piecewise(z, _TAN, lambda r: r.tan() / r, lambda r: r.tanh() / r)


def atan(z: Tensor) -> Tensor:
    """``atan(sqrt z) / sqrt z``, for z above -1; what rounding leaves at -1 or below is taken as just above."""
    z = z.clamp(min=-1 + torch.finfo(z.dtype).eps)
    return _piecewise(z, _ATAN, lambda r: r.atan() / r, lambda r: r.atanh() / r)


def sin(z: Tensor) -> Tensor:
    """``sin(sqrt z) / sqrt z``."""
    return _piecewise(z, _SIN, lambda r: r.sin() / r, lambda r: r.sinh() / r)


def cos(z: Tensor) -> Tensor:
    """``cos(sqrt z)``."""
    return _piecewise(z, _COS, torch.cos, torch.cosh)


def _piecewise(
    z: Tensor, series: tuple[float, ...], above: Callable[[Tensor], Tensor], below: Callable[[Tensor], Tensor]
) -> Tensor:
    """``above(sqrt z)``, ``below(sqrt -z)``, or between them the power series in z."""
    if not torch.is_grad_enabled():  # The series is for the derivative: values keep their digits without it.
        r = z.abs().clamp(min=torch.finfo(z.dtype).tiny).sqrt()
        return torch.where(z > 0, above(r), below(r))
    near = torch.full_like(z, series[-1])
    for coefficient in reversed(series[:-1]):
        near = near * z + coefficient
    # Where a branch is not taken it is fed SERIES, so that its gradient is finite there.
    far = torch.where(z > 0, above(z.clamp(min=SERIES).sqrt()), below((-z).clamp(min=SERIES).sqrt()))
    return torch.where(z.abs() < SERIES, near, far)


def square(x: Tensor) -> Tensor:
    """``|x|^2``, [..., d] to [..., 1]."""
    return x.square().sum(-1, keepdim=True)


def exp0(v: Tensor, k: Tensor) -> Tensor:
    """The point at the end of ``v`` at the origin, [..., d]: ``tan_k(|v| / 2) v / |v|``."""
    half = v / 2
    return tan(k * square(half)) * half


def log0(x: Tensor, k: Tensor) -> Tensor:
    """The vector at the origin that ends in ``x``: the inverse of ``exp0``."""
    return 2 * atan(k * square(x)) * x


def add(x: Tensor, y: Tensor, k: Tensor) -> Tensor:
    """Moebius addition: what lies at ``y`` as seen from the origin, seen from ``x``; [..., d].

    ``((1 - 2 k <x, y> - k |y|^2) x + (1 + k |x|^2) y) / (1 - 2 k <x, y> + k^2 |x|^2 |y|^2)``.
    """
    xy, xx, yy = (x * y).sum(-1, keepdim=True), square(x), square(y)
    below = 1 - 2 * k * xy + k.square() * xx * yy
    return ((1 - 2 * k * xy - k * yy) * x + (1 + k * xx) * y) / below.clamp(min=torch.finfo(x.dtype).tiny)


def distance(x: Tensor, y: Tensor, k: Tensor) -> Tensor:
    """``2 atan_k(|-x + y|)`` by Moebius addition, [..., d] to [...].

    Its gradient is taken as zero where the points coincide.
    """
    gap = add(-x, y, k)
    return (2 * length(gap) * atan(k * square(gap))).squeeze(-1)


def square_distances(x: Tensor, y: Tensor, k: Tensor) -> Tensor:
    """Squared distances of all pairs from one matrix product; smooth, where points coincide as well.

    ``|-x + y|^2 = (|x|^2 + |y|^2 - 2 <x, y>) / (1 + 2 k <x, y> + k^2 |x|^2 |y|^2)``, which cancels for near points:
    ``distance`` does not.

    Args:
        x: [..., N, d].
        y: [..., M, d].
        k: curvature, broadcastable to [..., 1, 1].

    Returns:
        [..., N, M].
    """
    xy, xx, yy = x @ y.transpose(-1, -2), square(x), square(y).transpose(-1, -2)
    below = 1 + k * (2 * xy + k * xx * yy)
    # Rounding may take the first below zero where points coincide, the second to it where they are antipodes.
    gap = (xx + yy - 2 * xy).clamp(min=0) / below.clamp(min=torch.finfo(x.dtype).eps ** 2)
    return 4 * gap * atan(k * gap).square()


def gyromidpoint(x: Tensor, weights: Tensor, k: Tensor) -> Tensor:
    """Weighted midpoint ``1/2 * sum_j w_j l_j x_j / sum_j w_j (l_j - 1)``, ``l = 2 / (1 + k |x|^2)`` (Ungar 2010).

    Args:
        x: [..., N, d]; on a sphere, such that the sum below the line is positive, as within a quarter turn it is.
        weights: [..., M, N], not negative, some of each row positive.
        k: curvature, broadcastable to [..., 1, 1].

    Returns:
        [..., M, d].
    """
    conformal = 2 / (1 + k * square(x))
    twice = (weights @ (conformal * x)) / (weights @ (conformal - 1))
    # Half of a point is exp0 of half its vector: log0 has twice atan, exp0 takes half of that.
    return exp0(log0(twice, k) / 2, k)
