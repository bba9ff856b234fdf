"""Entailment cones: an order on hyperbolic space, in which a parent holds what lies in its cone.

The cone of x opens outwards along the geodesic from the origin with half-angle ``asin(2 K / sinh(sqrt(c) |x|))``
(Ganea, Becigneul and Hofmann 2018, there ``asin(K (1 - |x|^2) / |x|)`` in the Poincare ball).  The order is
transitive: the cone of a child lies in its parent's.

Points are given by vectors at the origin, [..., d], as for ``lorentz.exp0``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mechanisms.lorentz import length, tiny

OPENING = 0.1
"""K.  The cone of a point nearer to the origin than ``asinh(2 K) / sqrt(c)`` is half of space."""


def half_angle(x: Tensor, c: Tensor, opening: float = OPENING) -> Tensor:
    """Half-angle of the cone of ``x``, [..., d] to [...] radians."""
    wide = 2 * opening / (c.sqrt() * length(x)).sinh().clamp(min=tiny(x))
    # asin has no slope at 1, where the cone is half of space.
    return wide.clamp(max=1 - torch.finfo(x.dtype).eps).asin().squeeze(-1)


def exterior_angle(x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """Angle at ``x`` between the way on from the origin and the way to ``y``, [...] radians.

    In the frame at x, y lies ``sinh b sin t`` across and ``sinh(b - a) - 2 sinh b cosh a sin^2(t / 2)`` along, for
    radii a and b and the angle t at the origin.
    """
    a, b = (c.sqrt() * length(v) for v in (x, y))
    to_x, to_y = (v / length(v).clamp(min=tiny(v)) for v in (x, y))
    half = length(to_y - to_x) / 2
    other_half = length(to_y + to_x) / 2
    across = 2 * b.sinh() * half * other_half
    along = (b - a).sinh() - 2 * b.sinh() * a.cosh() * half.square()
    return torch.atan2(across, along).squeeze(-1)


def outside(parent: Tensor, child: Tensor, c: Tensor, opening: float = OPENING) -> Tensor:
    """How far each child lies outside its parent's cone, [...] radians; 0 inside: a loss for a stated order."""
    return (exterior_angle(parent, child, c) - half_angle(parent, c, opening)).clamp(min=0)
