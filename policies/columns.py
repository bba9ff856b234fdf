"""What people pass to a policy: columns of one shape with numbers that make sense, and targets."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from policies.frames import Floats


def shaped(name: str, given: ArrayLike, size: int | None = None) -> Floats:
    """``given`` as a column of ``size`` numbers; ValueError where it has another shape."""
    numbers = np.asarray(given, dtype=np.float64)
    if numbers.ndim != 1 or (size is not None and len(numbers) != size):
        raise ValueError(f"{name} has shape {numbers.shape}, expected [{'N' if size is None else size}]")
    return numbers


def column(name: str, given: ArrayLike, size: int | None = None, *, most: float = math.inf) -> Floats:
    """``given`` as finite numbers from 0 to ``most``; ValueError where one is not."""
    numbers = shaped(name, given, size)
    # The extremes tell of every number, NaN included, for less than a mask: a round of one impression has four columns.
    lowest, highest = np.minimum.reduce(numbers, initial=0.0), np.maximum.reduce(numbers, initial=0.0)
    if not (lowest >= 0.0 and highest <= most and highest < math.inf):
        bad = ~((numbers >= 0.0) & (numbers <= most) & (numbers < math.inf))
        wanted = "finite numbers of at least 0" if most == math.inf else f"numbers from 0 to {most:g}"
        raise ValueError(f"{name} has {numbers[bad][0]}, expected {wanted}")
    return numbers


def cost_limit(target_cpa: float | None, target_roas: float | None) -> float:
    """Most that a unit of value may cost; inf without a target. ValueError on both targets or one out of range."""
    if target_cpa is not None and target_roas is not None:
        raise ValueError(f"target_cpa {target_cpa} and target_roas {target_roas}, expected at most one of them")
    name, target = ("target_roas", target_roas) if target_cpa is None else ("target_cpa", target_cpa)
    if target is None:
        return math.inf
    if not 0.0 < target < math.inf:
        raise ValueError(f"{name} is {target}, expected more than 0 and finite, or None for no target")
    return target if target_cpa is not None else 1.0 / target
