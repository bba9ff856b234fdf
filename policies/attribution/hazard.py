"""How likely a path ends in a conversion, and how much of that each channel causes.

A person's hazard of converting is what they bring along, times one and what the touches add:

    P(convert) = 1 - exp(-h),    h = exp(usual + pull intent) (1 + sum_c lift_c(x_c) + sum_cd pair_cd x_c x_d)

Touches fade exponentially in real time, at half-lives of half a day, some days and a third of a month side by side,
and more of the same adds less: x = log(1 + sum 2^(-age / half-life)). Additive hazards are usual in attribution (Zhang,
Wei and Ren, "Multi-Touch Attribution in Online Advertising with Survival Theory", 2014), fading and saturation in
media-mix models.

Who wants the thing anyway meets some channels more often, so what a person *would* have met tells of their intent
(``intent``), and only what they *did* meet acts. Without a holdout these are the same touches; a randomised holdout
sets them apart by chance.

Letters: J paths, T touches, C channels, H half-lives, F features of touches, K coalitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import minimize

from policies.attribution.coalitions import coalition_weights, coalitions
from policies.attribution.intent import Intent
from policies.attribution.paths import Paths
from policies.frames import Bools, Floats

HALF_LIVES_S = (12 * 3600.0, 60 * 3600.0, 240 * 3600.0)
_PAIRED = 1
"""Place of the half-life at which pairs of channels are looked at."""
_LIFT_SD, _PAIR_SD = 1.4, 0.7
"""Of the priors of a lift and of what a pair adds, both half normal, in usual hazards."""
_PULL_SD = 1.0
"""Of the prior of what intent does to the log hazard."""
_UNTIL = {"maxiter": 500, "ftol": 1e-8}
_ROWS = 4096
"""Paths whose coalitions are asked for at once."""


@dataclass(frozen=True, slots=True, eq=False)
class ConversionModel:
    """A fitted model; ``ConversionModel.fit(paths).removal(paths)`` is what each channel causes.

    >>> from policies.attribution.paths import Path
    >>> paths = Paths.of([
    ...     Path(touches=[("search", 0.0)], end_s=60.0, people=500, conversions=100),
    ...     Path(touches=[("search", 0.0)], end_s=60.0, people=500, conversions=50, withheld=["search"]),
    ... ])
    >>> round(ConversionModel.fit(paths).removal(paths)["search"])
    97
    """

    channels: tuple[str, ...]
    intent: Intent
    usual: float
    """Log of the hazard without a touch, where intent is 0."""
    pull: float
    """What intent adds to it."""
    lift: Floats
    """[F] what features of touches add to the hazard, over that without a touch; not negative."""

    @classmethod
    def fit(cls, paths: Paths) -> ConversionModel:
        """The most likely model given ``paths`` and weak priors.

        Raises:
            ValueError: if nobody or everybody converted.
        """
        if not 0 < paths.conversions.sum() < paths.people.sum():
            raise ValueError(
                f"{paths.conversions.sum():g} conversions of {paths.people.sum():g} people, expected some and not all"
            )
        intent = Intent.fit(_counts(paths), paths.people)
        weights = _fitted(intent.read(_counts(paths)), _touches(paths, paths.shown), paths)
        return cls(paths.channels, intent, float(weights[0]), float(weights[1]), weights[2:])

    def chance(self, paths: Paths) -> Floats:
        """[J] that one of each path's people converts, by the touches that they were shown."""
        hazard = self._brought(paths) * (1.0 + _touches(paths, paths.shown) @ self.lift)
        return np.asarray(-np.expm1(-hazard))

    def removal(self, paths: Paths) -> dict[str, float]:
        """{channel: value} that would be lost without each, nobody being held out; the rest stays as it is."""
        worth = self._worth(paths, np.vstack([np.ones(len(self.channels)), 1.0 - np.eye(len(self.channels))]) > 0)
        return paths.named(worth[0] - worth[1:])

    def shapley(self, paths: Paths) -> dict[str, float]:
        """{channel: value} of all channels together beyond none, exactly shared by Shapley values."""
        worth = self._worth(paths, coalitions(len(self.channels)))
        return paths.named(worth @ coalition_weights(len(self.channels)))

    def _brought(self, paths: Paths) -> Floats:
        """[J] the hazard without a touch."""
        return np.asarray(np.exp(self.usual + self.pull * self.intent.read(_counts(paths))))

    def _worth(self, paths: Paths, sets: Bools) -> Floats:
        """[K] value of the conversions that are expected if only the channels of each of ``sets`` [K, C] were there."""
        if paths.channels != self.channels:
            raise ValueError(f"channels {paths.channels}, expected {self.channels} as fitted")
        added = _touches(paths, np.ones(len(paths.path), dtype=bool)) * self.lift
        there = _there(sets).astype(np.float64)
        brought, total = self._brought(paths), np.zeros(len(sets))
        for at in range(0, len(brought), _ROWS):
            rows = slice(at, at + _ROWS)
            hazard = brought[rows, None] * (1.0 + added[rows] @ there.T)
            total -= paths.people[rows] @ np.expm1(-hazard)
        return np.asarray(total * (paths.value.sum() / paths.conversions.sum()))


def _counts(paths: Paths) -> Floats:
    """[J, C] touches that each person would have had."""
    return paths.per_path(np.ones(len(paths.path)))


def _touches(paths: Paths, there: Bools) -> Floats:
    """[J, F] each channel's faded touches by half-life, then products of pairs of channels."""
    fresh = [np.log1p(paths.per_path(np.exp2(-paths.age_s / half_life) * there)) for half_life in HALF_LIVES_S]
    pairs = [fresh[_PAIRED][:, a] * fresh[_PAIRED][:, b] for a, b in combinations(range(len(paths.channels)), 2)]
    return np.column_stack([*fresh, *pairs])


def _there(sets: Bools) -> Bools:
    """[K, F] which features of touches are left with the channels of each of ``sets`` [K, C]."""
    pairs = [sets[:, a] & sets[:, b] for a, b in combinations(range(sets.shape[1]), 2)]
    return np.column_stack([*[sets] * len(HALF_LIVES_S), *pairs]).astype(bool)


def _fitted(intent: Floats, touches: Floats, paths: Paths) -> Floats:
    """[2 + F] the posterior's mode: usual, pull and lifts, given ``intent`` [J] and ``touches`` [J, F]."""
    people = np.column_stack([np.ones(len(intent)), intent])
    alone = len(paths.channels) * len(HALF_LIVES_S)
    deviations = [np.inf, _PULL_SD], np.full(alone, _LIFT_SD), np.full(touches.shape[1] - alone, _PAIR_SD)
    precision = np.concatenate(deviations) ** -2.0
    rest = paths.people - paths.conversions

    def loss(weights: Floats) -> tuple[float, Floats]:
        """Negative log posterior and its gradient."""
        brought, factor = np.exp(people @ weights[:2]), 1.0 + touches @ weights[2:]
        hazard = brought * factor
        chance = np.maximum(-np.expm1(-hazard), 1e-300)
        slope = rest - paths.conversions * np.exp(-hazard) / chance  # by the hazard
        found = rest @ hazard - paths.conversions @ np.log(chance) + 0.5 * precision @ weights**2
        gradient = np.concatenate([people.T @ (slope * hazard), touches.T @ (slope * brought)])
        return float(found), gradient + precision * weights

    rate = paths.conversions.sum() / paths.people.sum()
    start = np.concatenate([[np.log(0.5 * rate), 0.0], np.full(touches.shape[1], 0.1)])
    bounds = [(None, None)] * 2 + [(0.0, None)] * touches.shape[1]
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=_UNTIL).x)
