"""Rounds of a policy that knew its own chances, and how another policy would weigh them.

Letters: n rows, A actions, F features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from policies.frames import Floats, Ints

_DOUBTFUL = 6.0
"""Standard errors by which weights may average other than 1."""
_ENOUGH = 100.0
"""Rounds from which that is judged."""
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Log:
    """Rounds of a policy that knew its own chances."""

    action: Ints
    """[n] what was done."""
    reward: Floats
    """[n]"""
    propensity: Floats
    """[n] chance with which the action was chosen, or [n, A] of every action."""
    context: Floats | None = None
    """[n, F] what was known before, features of about unit size (without a constant); None for nothing."""
    counts: Floats | None = None
    """[n] how many equal rounds a row stands for; None for one each."""

    def __post_init__(self) -> None:
        action, rows = np.asarray(self.action), len(self.action)
        if action.dtype.kind not in "iu" or action.ndim != 1 or not rows or action.min() < 0:
            raise ValueError(f"action must be whole numbers from 0, one a row, got {action.dtype} {action.shape}")
        counts = numbers("counts", np.ones(rows) if self.counts is None else self.counts, rows)
        if (counts < 0).any() or not counts.any():
            raise ValueError(f"counts fall to {counts.min()} and add up to {counts.sum()}, expected rounds")
        context = np.asarray(np.zeros((rows, 0)) if self.context is None else self.context, dtype=np.float64)
        propensity = np.asarray(self.propensity, dtype=np.float64)
        checked = {
            "action": action.astype(np.int64),
            "reward": numbers("reward", self.reward, rows),
            "propensity": numbers("propensity", propensity, rows, *propensity.shape[1:2]),
            "context": numbers("context", context, rows, context.shape[1] if context.ndim > 1 else 1),
            "counts": counts,
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if propensity.ndim == 2:
            _check_chances("propensity", propensity)
        wrong = np.flatnonzero(~((self.chance > 0) & (self.chance <= 1)))
        if len(wrong):
            found = self.chance[wrong[0]]
            raise ValueError(f"propensity of the action taken in row {wrong[0]} is {found}, expected it in (0, 1]")

    @property
    def chance(self) -> Floats:
        """[n] propensity of the action that was taken."""
        return self.propensity if self.propensity.ndim == 1 else taken(self.propensity, self.action)

    @property
    def rounds(self) -> Floats:
        """[n] ``counts``, ones where none were given."""
        assert self.counts is not None
        return self.counts

    def mean(self, values: Floats) -> float:
        """Of ``values`` [n] over all rounds."""
        return float(self.rounds @ values / self.rounds.sum())

    @property
    def x(self) -> Floats:
        """[n, 1 + F] features behind a constant."""
        assert self.context is not None
        return np.concatenate([np.ones((len(self.action), 1)), self.context], axis=1)


def weights(log: Log, target: ArrayLike) -> Floats:
    """[n] chance of the action under ``target`` [n, A] over its propensity. Errors of ``ipw``."""
    w = taken(distribution(target, log), log.action) / log.chance
    rounds, level = log.rounds.sum(), log.mean(w)
    doubt = _DOUBTFUL * np.sqrt(log.mean((w - level) ** 2) / rounds) + _ROUNDING
    if rounds >= _ENOUGH and abs(level - 1.0) > doubt:
        raise ValueError(
            f"weights average {level:.4g}, expected 1 within {doubt:.2g}: the propensities are not those of the log, "
            "or the target does what the log hardly shows"
        )
    return w


def taken(table: Floats, action: Ints) -> Floats:
    """[n] of ``table`` [n, A], what belongs to the action taken."""
    return np.asarray(table[np.arange(len(action)), action])


def distribution(target: ArrayLike, log: Log) -> Floats:
    """``target`` as an array, where it is a policy that the log can tell of."""
    q = np.asarray(target, dtype=np.float64)
    least = int(log.action.max()) + 1
    if q.ndim != 2 or len(q) != len(log.action) or q.shape[1] < least:
        raise ValueError(f"target has shape {q.shape}, expected ({len(log.action)}, {least} or more actions)")
    _check_chances("target", q)
    if log.propensity.ndim == 2:
        if log.propensity.shape != q.shape:
            raise ValueError(f"target has shape {q.shape}, expected that of the propensities, {log.propensity.shape}")
        blind = np.argwhere((q > 0) & (log.propensity == 0) & (log.rounds > 0)[:, None])
        if len(blind):
            row, a = blind[0]
            raise ValueError(f"target gives action {a} a chance of {q[row, a]} in row {row}, where the log gives it 0")
    return q


def _check_chances(name: str, table: Floats) -> None:
    wrong = ~((table >= 0).all(axis=1) & (np.abs(table.sum(axis=1) - 1.0) <= _ROUNDING))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"{name} of row {row} is {table[row]}, expected chances that add up to 1")


def numbers(name: str, values: ArrayLike, *shape: int) -> Floats:
    """``values`` as finite numbers of ``shape``; ValueError otherwise."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a NaN or infinite number")
    return array
