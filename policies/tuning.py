"""Hyperparameters: a small set, bounded, versioned, and tried on a canary before all campaigns get them.

Letters: R campaigns, H hyperparameters in the order of ``NAMES``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.frames import Floats, Ints, pad

BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "pacing_gain": (0.05, 2.0),
        "pacing_max_step": (0.05, 1.0),
        "memory_days": (2.0, 60.0),
        "allocation_move": (0.05, 1.0),
        "exploration": (0.0, 0.4),
        "creative_exploration": (0.1, 4.0),
        "routing_temperature": (0.05, 5.0),
    }
)
"""The range of each hyperparameter; nothing ever leaves it."""
NAMES = tuple(BOUNDS)
STEP = 2.0
"""Factor by which a candidate moves one hyperparameter, up or down."""

Settings = Mapping[str, Floats]
"""Each hyperparameter's value for each campaign, [R]."""


@dataclass(frozen=True, slots=True)
class Hyper:
    """One version of the hyperparameters."""

    version: int
    values: Mapping[str, float]
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """What spoke for this version."""

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            low, high = BOUNDS[name]
            if not low <= value <= high:
                raise ValueError(f"{name} must lie in [{low}, {high}], got {value}")
        missing = set(BOUNDS) - set(self.values)
        if missing:
            raise ValueError(f"hyperparameters missing: {sorted(missing)}")

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def changed(self, changes: Mapping[str, float], evidence: Mapping[str, Any]) -> Hyper:
        """The next version.

        Raises:
            ValueError: a name of ``changes`` is unknown, or a value out of its bounds.
        """
        for name in set(changes) - set(NAMES):
            close = get_close_matches(name, NAMES, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(NAMES)}"
            raise ValueError(f"no hyperparameter is called {name!r}{hint}")
        return Hyper(self.version + 1, {**self.values, **changes}, dict(evidence))

    def stepped(self, name: str, direction: int) -> float:
        """The value one step up (1) or down (-1), within its bounds."""
        low, high = BOUNDS[name]
        return min(high, max(low, self.values[name] * STEP**direction))


@dataclass(frozen=True, slots=True)
class Candidate:
    """Other values that some of the canary's campaigns run with."""

    number: int
    """From 1, never used again."""
    changes: Mapping[str, float]
    since: int
    """The market hour from which it runs."""
    reason: str
    """``step`` or ``asked``."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The hyperparameters in use: a version for all, and candidates on the canary."""

    hyper: Hyper
    candidates: tuple[Candidate, ...]
    assigned: Ints
    """[R, H] number of the candidate that each campaign has each hyperparameter from; 0 for the version's own."""

    @classmethod
    def start(cls, hyper: Hyper) -> Tuning:
        """No candidates."""
        return cls(hyper, (), np.zeros((0, len(NAMES)), dtype=np.int64))

    def grown(self, rows: int) -> Tuning:
        """Campaigns that have joined run with the version's own values."""
        return replace(self, assigned=pad(self.assigned, (rows, len(NAMES))))

    def settings(self) -> dict[str, Floats]:
        """Each hyperparameter's value for each campaign."""
        values = {name: np.full(len(self.assigned), self.hyper[name]) for name in NAMES}
        for candidate in self.candidates:
            for name, value in candidate.changes.items():
                values[name][self.assigned[:, NAMES.index(name)] == candidate.number] = value
        return values

    def without(self, numbers: set[int]) -> Tuning:
        """The candidates ``numbers`` withdrawn; their campaigns go back to the version's own values."""
        gone = np.isin(self.assigned, list(numbers))
        left = tuple(candidate for candidate in self.candidates if candidate.number not in numbers)
        return replace(self, candidates=left, assigned=np.where(gone, 0, self.assigned))

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """For the journal."""
        changes = [[c.changes.get(name, np.nan) for name in NAMES] for c in self.candidates]
        return {
            "hyper": np.array([self.hyper.version, *(self.hyper[name] for name in NAMES)]),
            "assigned": self.assigned,
            "candidates": np.array([(c.number, c.since) for c in self.candidates], dtype=np.int64).reshape(-1, 2),
            "changes": np.array(changes).reshape(-1, len(NAMES)),
            "reasons": np.array([c.reason for c in self.candidates], dtype=np.str_),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Tuning:
        """What ``as_arrays`` gave."""
        version, *values = arrays["hyper"].tolist()
        rows = zip(arrays["candidates"].tolist(), arrays["changes"], arrays["reasons"].tolist(), strict=True)
        candidates = tuple(
            Candidate(number, {n: float(v) for n, v in zip(NAMES, changes, strict=True) if np.isfinite(v)}, since, why)
            for (number, since), changes, why in rows
        )
        return cls(Hyper(int(version), dict(zip(NAMES, values, strict=True))), candidates, arrays["assigned"])
