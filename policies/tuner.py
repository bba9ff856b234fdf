"""The tuner: once a day it judges the candidates on the canary, promotes or rolls back, and opens new ones.

Letters: W windows, R campaigns, H hyperparameters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.experiment import Effect, effects
from policies.frames import Bools, Floats
from policies.trajectories import Book
from policies.tuning import NAMES, Candidate, Hyper, Tuning

CANARY = 0.35
"""Share of the campaigns that candidates run on."""
LEAST_CAMPAIGNS = 24
"""With fewer a canary could not tell a good candidate from a bad one within weeks, and none is opened."""
ERROR = 0.1
"""Chance that a candidate without effect is ever promoted, and that it is ever rolled back as harmful."""
HORIZON_H = 14 * 24
"""Market hours after which a candidate that shows no effect is withdrawn."""
REST_H = 21 * 24
"""Market hours before a step that was not promoted is tried again."""
_SAME = 0.05
"""Two values closer than this, on a log scale, are one."""
_REDRAWN = 0.5
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a candidate."""

    candidate: Candidate
    result: str
    """``promoted``, ``rolled back``, ``undecided``, or ``withdrawn`` because another one was promoted or asked for."""
    effect: Effect

    def told(self) -> dict[str, Any]:
        """For the journal."""
        seen = bool(np.isfinite(self.effect.sd))
        return {
            "candidate": self.candidate.number,
            "changes": dict(self.candidate.changes),
            "effect": self.effect.mean if seen else None,
            "sd": self.effect.sd if seen else None,
            "gain_evidence": self.effect.gain,
            "harm_evidence": self.effect.harm,
        }


@dataclass(frozen=True, slots=True)
class Tuner:
    """All that tuning remembers."""

    tuning: Tuning
    book: Book
    opened: int = 0
    """Candidates so far."""
    resting: Mapping[str, int] = field(default_factory=dict)
    """Steps that were not promoted, and the market hour until which they are not tried again."""
    asked: Mapping[str, float] = field(default_factory=dict)
    """What a person asks to have tried next."""

    @classmethod
    def start(cls, hyper: Hyper, shape: tuple[int, int, int]) -> Tuner:
        """Nothing tried yet; ``shape`` is R, C, K."""
        return cls(Tuning.start(hyper).grown(shape[0]), Book.empty(shape, len(NAMES)))

    def grown(self, shape: tuple[int, int, int]) -> Tuner:
        """Room for campaigns that have joined."""
        return replace(self, tuning=self.tuning.grown(shape[0]), book=self.book.grown(shape))

    @property
    def rows(self) -> int:
        """Campaigns."""
        return len(self.tuning.assigned)

    def closed(self, tick: int, *, steady: bool, money: Floats, totals: Floats, cost: Floats, lag_h: Floats) -> Tuner:
        """A day ends; arguments as ``Book.close`` has them."""
        assigned = self.tuning.assigned
        book = self.book.close(
            tick, steady=steady, assigned=assigned, money=money, totals=totals, cost=cost, lag_h=lag_h
        )
        return replace(self, book=book)

    def trimmed(self) -> tuple[Book, Tuner]:
        """Days that are too old to stay open, and the tuner without them."""
        settled, book = self.book.settled()
        return settled, replace(self, book=book)

    def ask(self, changes: Mapping[str, float]) -> Tuner:
        """A person's candidate takes the whole canary from the next lesson on, in place of those that run.

        Raises:
            ValueError: a name is unknown, a value out of its bounds, or there are too few campaigns for a canary.
        """
        if self.rows < LEAST_CAMPAIGNS:
            raise ValueError(f"a canary needs {LEAST_CAMPAIGNS} campaigns, there are {self.rows}")
        self.tuning.hyper.changed(changes, {})
        return replace(self, asked=dict(changes))

    def lesson(self, click_value: Floats, tick: int, seed: int) -> tuple[Tuner, list[Verdict]]:
        """Judge, promote or roll back, and open; after the book has closed a window at ``tick``.

        ``click_value`` [R, C, K]: goal units of a click, by all conversions so far.
        """
        verdicts = self._judge(self.book.outcome(click_value), tick)
        after = self
        for verdict in verdicts:
            after = after._settled(verdict, tick)
        return (after._answered(tick, seed) if self.asked else after._opened(tick, seed)), verdicts

    # ---- judging

    def _judge(self, outcome: Floats, tick: int) -> list[Verdict]:
        """A verdict on each candidate that can be decided; at most one is promoted a day."""
        found = self._effects(outcome)
        order = sorted(self.tuning.candidates, key=lambda candidate: -found[candidate.number].gain)
        best = order[0].changes if order and found[order[0].number].gain >= 1.0 / ERROR else {}
        results = [(c, _result(c, found[c.number], tick, best), found[c.number]) for c in order]
        if self.asked:
            results = [(candidate, result or "withdrawn", effect) for candidate, result, effect in results]
        return [Verdict(candidate, result, effect) for candidate, result, effect in results if result]

    def _effects(self, outcome: Floats) -> dict[int, Effect]:
        """The effect of each candidate that runs; those that ran before are held constant."""
        live = [candidate.number for candidate in self.tuning.candidates]
        before = sorted(set(np.unique(self.book.assigned).tolist()) - {0, *live})
        numbers = [*live, *before]
        if not live or not np.isfinite(outcome).any():
            return dict.fromkeys(live, Effect(0.0, float("nan")))
        ran = np.stack([(self.book.assigned == number).any(axis=2) for number in numbers])
        return dict(zip(numbers, effects(outcome, ran, self._opposites(numbers)), strict=True))

    def _opposites(self, numbers: list[int]) -> list[tuple[int, int]]:
        """Positions in ``numbers`` of candidates that step up and down from the same value."""
        steps = {_step(self.tuning.hyper, c): numbers.index(c.number) for c in self.tuning.candidates}
        ups = [step for step in steps if step.endswith(" up") and _opposite(step) in steps]
        return [(steps[step], steps[_opposite(step)]) for step in ups]

    def _settled(self, verdict: Verdict, tick: int) -> Tuner:
        """The tuner after ``verdict``."""
        candidate, resting = verdict.candidate, dict(self.resting)
        tuning = self.tuning.without({candidate.number})
        step = _step(self.tuning.hyper, candidate)
        if verdict.result == "promoted":
            tuning = replace(tuning, hyper=tuning.hyper.changed(candidate.changes, verdict.told()))
            resting |= {_opposite(step): tick + REST_H} if step else {}
        elif step and verdict.result != "withdrawn":
            resting[step] = tick + REST_H
        return replace(self, tuning=tuning, resting=resting)

    # ---- opening

    def _opened(self, tick: int, seed: int) -> Tuner:
        """With a candidate for every step that is worth a try."""
        tuning = self.tuning
        if self.rows < LEAST_CAMPAIGNS or any(candidate.reason != "step" for candidate in tuning.candidates):
            return self
        live = {_step(tuning.hyper, candidate) for candidate in tuning.candidates}
        number, new = self.opened, list(tuning.candidates)
        for name in NAMES:
            for direction in (1, -1):
                value, step = tuning.hyper.stepped(name, direction), _name(name, direction)
                if step in live or self.resting.get(step, 0) > tick or _near(value, tuning.hyper[name]):
                    continue
                number += 1
                new.append(Candidate(number, {name: value}, tick, "step"))
        tuning = replace(tuning, candidates=tuple(new))
        rng = np.random.default_rng([seed, tick])
        return replace(self, tuning=_redrawn(tuning, canary(self.rows, seed), rng), opened=number)

    def _answered(self, tick: int, seed: int) -> Tuner:
        """With what a person asked for on all of the canary."""
        candidate, assigned = Candidate(self.opened + 1, self.asked, tick, "asked"), self.tuning.assigned.copy()
        for name in self.asked:
            assigned[canary(self.rows, seed), NAMES.index(name)] = candidate.number
        tuning = replace(self.tuning, candidates=(candidate,), assigned=assigned)
        return replace(self, tuning=tuning, opened=candidate.number, asked={})

    # ---- persistence

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """For the journal."""
        memory = {"opened": self.opened, "resting": self.resting, "asked": self.asked}
        book = {f"book_{name}": array for name, array in self.book.as_arrays().items()}
        return {**self.tuning.as_arrays(), **book, "memory": np.array(json.dumps(memory))}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Tuner:
        """What ``as_arrays`` gave."""
        memory = json.loads(str(arrays["memory"]))
        book = {name.removeprefix("book_"): array for name, array in arrays.items() if name.startswith("book_")}
        return cls(
            Tuning.from_arrays(arrays),
            Book.from_arrays(book),
            memory["opened"],
            memory["resting"],
            memory["asked"],
        )


def canary(rows: int, seed: int) -> Bools:
    """[R] which campaigns candidates may run on: spread evenly over the rows, and the same however many join."""
    return np.asarray((np.arange(rows) * _GOLDEN + seed * _GOLDEN**2) % 1.0 < CANARY)


def _result(candidate: Candidate, effect: Effect, tick: int, best: Mapping[str, float]) -> str:
    """``best``: what the day's one promotion changes; the other winners wait for the next day."""
    if candidate.changes == best:
        return "promoted"
    if set(best) & set(candidate.changes):
        return "withdrawn"
    if effect.harm >= 1.0 / ERROR:
        return "rolled back"
    return "undecided" if tick - candidate.since >= HORIZON_H else ""


def _redrawn(tuning: Tuning, chosen: Bools, rng: np.random.Generator) -> Tuning:
    """Each day half of the canary's campaigns draw anew which candidate, or none, they have a hyperparameter from.

    So each campaign is compared with itself, and what it was given lasts two days in the mean, for effects to show.
    """
    assigned = tuning.assigned.copy()
    for h, name in enumerate(NAMES):
        live = [candidate.number for candidate in tuning.candidates if name in candidate.changes]
        fresh = not np.isin(live, assigned[:, h]).all()
        draws = chosen & (fresh | (rng.random(len(chosen)) < _REDRAWN))
        assigned[draws, h] = rng.choice([0, *live], size=int(draws.sum()))
    return replace(tuning, assigned=assigned)


def _name(name: str, direction: int) -> str:
    return f"{name} {'up' if direction > 0 else 'down'}"


def _opposite(step: str) -> str:
    name, direction = step.split()
    return _name(name, -1 if direction == "up" else 1)


def _step(hyper: Hyper, candidate: Candidate) -> str:
    """The name of a step; empty for candidates that change more."""
    if candidate.reason != "step":
        return ""
    ((name, value),) = candidate.changes.items()
    return _name(name, 1 if value > hyper[name] else -1)


def _near(one: float, other: float) -> bool:
    return one == other or (one > 0 and other > 0 and abs(np.log(one / other)) < _SAME)
