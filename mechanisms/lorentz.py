"""The Lorentz model of hyperbolic space: lift, distance, maps at a point, centroid.

Space of curvature -c is the sheet ``<x, x>_L = -1/c, x_0 > 0`` with ``<x, y>_L = -x_0 y_0 + sum_i x_i y_i``
(Nickel and Kiela 2018).  A point is given here by ``x_1 .. x_d`` alone, since x_0 follows from them, or by the
vector v at the origin with ``exp0(v) = x``, whose length is the point's distance from the origin.

The second is the better conditioned: at radius r a rounding of x is worth about ``e^r`` times as much as one of v.

Letters: d dimensions.  ``c`` is positive and broadcasts to [..., 1], as lengths do.
"""

from __future__ import annotations

import torch
from torch import Tensor


def tiny(x: Tensor) -> float:
    """The smallest normal number of a tensor's dtype: what divisors are kept above."""
    return torch.finfo(x.dtype).tiny


def length(v: Tensor) -> Tensor:
    """Euclidean length, [..., d] to [..., 1]; its gradient at zero is zero."""
    norm: Tensor = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return norm


def time(x: Tensor, c: Tensor) -> Tensor:
    """The coordinate x_0 of a point, [..., d] to [..., 1]."""
    return (1 / c + x.square().sum(-1, keepdim=True)).sqrt()


def inner(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """``<x, y>_L`` of two points, [..., 1]; cancels near ``x = y``, where ``distance`` does not."""
    return (x * y).sum(-1, keepdim=True) - time(x, c) * time(y, c)


def exp0(v: Tensor, c: Tensor) -> Tensor:
    """The point at the end of ``v`` at the origin: ``sinh(sqrt(c) |v|) / sqrt(c) v / |v|``, [..., d] to [..., d]."""
    a = (c.sqrt() * length(v)).clamp(min=tiny(v))
    return a.sinh() / a * v


def log0(x: Tensor, c: Tensor) -> Tensor:
    """The vector at the origin that ends in ``x``: the inverse of ``exp0``."""
    a = (c.sqrt() * length(x)).clamp(min=tiny(x))
    return a.asinh() / a * x


def tangent_distance(u: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Distance of the points at the ends of two vectors at the origin.

    In float64 the relative error is below 1e-6 to ``sqrt(c) |v| = 15`` for points at least ``1e-3 / sqrt(c)`` apart,
    and below 1e-3 at 30 for points at least ``1 / sqrt(c)`` apart; it overflows beyond 350.

    Args:
        u: [..., d].
        v: [..., d].
        c: curvature -c.

    Returns:
        [...]; its gradient is taken as zero where the points coincide and for a vector that is exactly zero.
    """
    near, far, apart, turn = _polar(u, v)
    root = c.sqrt()
    return _haversine(root * apart, (root * near).sinh() * (root * far).sinh() * turn, root)


def distance(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Distance of two points as given, with the promises of ``tangent_distance`` and less to spare.

    At radius 30 the last digit of x alone is worth about 1e-4: what was computed is then less exact than this.

    Args:
        x: [..., d].
        y: [..., d].
        c: curvature -c.

    Returns:
        [...].
    """
    near, far, _, turn = _polar(x, y)
    root = c.sqrt()
    return _haversine((root * near).asinh() - (root * far).asinh(), c * near * far * turn, root)


def _polar(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``|x|``, ``|y|``, ``|x| - |y|`` and ``sin^2(angle / 2)``, each [..., 1], from ``x - y`` without cancellation.

    ``x - y = (|x| + |y|) (x^ - y^) / 2 + (|x| - |y|) (x^ + y^) / 2`` for the directions x^ and y^: what is rounded
    is as small as the difference, not as large as the vectors.
    """
    gap, least = x - y, tiny(x)
    one, other = length(x), length(y)
    both = (one + other).clamp(min=least)
    apart = ((x + y) * gap).sum(-1, keepdim=True) / both
    middle = (x / one.clamp(min=least) + y / other.clamp(min=least)) / 2
    return one, other, apart, ((gap - apart * middle) / both).square().sum(-1, keepdim=True)


def _haversine(apart: Tensor, across: Tensor, root: Tensor) -> Tensor:
    """Distance by ``sinh^2(s d / 2) = sinh^2((a - b) / 2) + sinh a sinh b sin^2(angle / 2)``, a sum without signs."""
    chord = ((apart / 2).sinh().square() + across).clamp(min=tiny(apart)).sqrt()
    return (2 / root * chord.asinh()).squeeze(-1)


def exp(x: Tensor, v: Tensor, c: Tensor) -> Tensor:
    """Walk from a point.

    Args:
        x: [..., d], the point.
        v: [..., d], the last d coordinates of a tangent vector there; the first follows from ``<x, v>_L = 0``.
        c: curvature -c.

    Returns:
        [..., d], the point at distance ``|v|_L`` in that direction.
    """
    first = (x * v).sum(-1, keepdim=True) / time(x, c)
    a = (c * (v.square().sum(-1, keepdim=True) - first.square())).clamp(min=tiny(v)).sqrt()
    return a.cosh() * x + a.sinh() / a * v


def log(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """The tangent vector at ``x`` that ends in ``y``, its last d coordinates: the inverse of ``exp``."""
    a = (c.sqrt() * distance(x, y, c)[..., None]).clamp(min=tiny(x))
    # y - cosh(a) x, written with the difference of the points so that near ones keep their digits.
    return a / a.sinh() * (y - x - 2 * (a / 2).sinh().square() * x)


def centroid(x: Tensor, weights: Tensor, c: Tensor) -> Tensor:
    """The point m that makes ``sum_j w_j |x_j - m|_L^2`` least: ``s / sqrt(-c <s, s>_L)`` for ``s = sum_j w_j x_j``.

    Closed form of Law et al. 2019; in the Poincare ball the same point is the gyromidpoint.

    Args:
        x: [..., N, d].
        weights: [..., M, N], not negative, some of each row positive.
        c: curvature -c, broadcastable to [..., 1, 1].

    Returns:
        [..., M, d].
    """
    s, first = weights @ x, weights @ time(x, c)
    long = s.square().sum(-1, keepdim=True)
    return s / (c * (first.square() - long)).clamp(min=tiny(x)).sqrt()
