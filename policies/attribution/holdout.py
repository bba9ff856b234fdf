"""What a randomised holdout shows of each channel, and how credit is brought in line with it.

For some people, drawn at random for each channel, the channel is withheld, and what they would have been shown is
logged ("ghost ads": Johnson, Lewis and Nubbemeyer 2017). Those who would have met it, with and without, differ by
chance alone, so their rates differ by what it causes: unbiased, but noisy, since few are held out.

Letters: J paths, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from policies.attribution.paths import Paths
from policies.frames import Bools, Floats


@dataclass(frozen=True, slots=True)
class Lift:
    """A channel's effect as the holdout shows it."""

    effect: float
    """Value that it causes among all who would have met it, were nobody held out."""
    error: float
    """Standard error; inf where nobody was held out, or everybody."""


def lift_test(paths: Paths) -> dict[str, Lift]:
    """{channel: what the holdout shows of it}.

    >>> from policies.attribution.paths import Path
    >>> paths = Paths.of([
    ...     Path(touches=[("search", 0.0)], people=900, conversions=90),
    ...     Path(touches=[("search", 0.0)], people=100, conversions=5, withheld=["search"]),
    ... ])
    >>> lift = lift_test(paths)["search"]
    >>> round(lift.effect, 3), round(lift.error, 1)
    (50.0, 24.8)
    """
    would = paths.per_path(np.ones(len(paths.path))) > 0
    unit = float(paths.value.sum() / max(paths.conversions.sum(), 1e-300))
    found = {}
    for c, name in enumerate(paths.channels):
        met, kept = (_rate(paths, would[:, c] & (paths.withheld[:, c] == held)) for held in (False, True))
        scale, noise = unit * (met[2] + kept[2]), float(np.sqrt(met[1] + kept[1]))
        found[name] = Lift(scale * (met[0] - kept[0]), scale * noise if np.isfinite(noise) else np.inf)
    return found


def calibrate(credit: dict[str, float], paths: Paths) -> dict[str, float]:
    """``credit``, as any method gives it, in line with what the holdout in ``paths`` shows.

    True effects are taken to be a multiple of the credit, plus an error of the method whose size is the same for all
    channels. Both are estimated from how far credit and test differ beyond the test's own noise (Paule and Mandel
    1982); each channel then gets the mean of its two readings weighted by precision. So a method that is right is kept,
    one that is wrong is replaced as far as the test is sure. Without a holdout ``credit`` is given back as it is.
    """
    tests = lift_test(paths)
    lift, error = (np.array([getattr(tests[name], what) for name in credit]) for what in ("effect", "error"))
    told = np.array(list(credit.values()))
    known = np.isfinite(error) & (error > 0)
    if known.sum() < 2 or not told[known].any():
        return dict(credit)
    scale, doubt = _agreement(told[known], lift[known], error[known] ** 2)
    trust = np.where(known, doubt / (doubt + np.where(known, error, 1.0) ** 2), 0.0)
    return dict(zip(credit, (scale * told + trust * (np.where(known, lift, 0.0) - scale * told)).tolist(), strict=True))


def _rate(paths: Paths, rows: Bools) -> tuple[float, float, float]:
    """Conversion rate of ``rows`` [J], its variance, and how many people they are."""
    people = float(paths.people[rows].sum())
    if people == 0:
        return 0.0, np.inf, 0.0
    rate = float(paths.conversions[rows].sum()) / people
    smooth = (rate * people + 0.5) / (people + 1.0)  # a few people without a conversion are not sure to have none
    return rate, smooth * (1.0 - smooth) / people, people


def _agreement(told: Floats, lift: Floats, noise: Floats) -> tuple[float, float]:
    """The multiple of ``told`` that explains ``lift``, and the variance of what neither it nor ``noise`` explains."""

    def scale(doubt: float) -> float:
        weight = told / (noise + doubt)
        return max(float(weight @ lift / (weight @ told)), 0.0)

    def excess(doubt: float) -> float:
        return float(((lift - scale(doubt) * told) ** 2 / (noise + doubt)).sum()) - (len(told) - 1)

    most = float((lift**2).sum() + noise.sum())
    doubt = 0.0 if excess(0.0) <= 0 else brentq(excess, 0.0, most)
    return scale(doubt), doubt
