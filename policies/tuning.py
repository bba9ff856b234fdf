"""Hyperparameters: a small set, bounded, versioned and reversible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

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


@dataclass(frozen=True, slots=True)
class Hyper:
    """One version of the hyperparameters."""

    version: int
    values: Mapping[str, float]
    evidence: Mapping[str, float] = field(default_factory=dict)
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

    def moved(self, factors: Mapping[str, float], evidence: Mapping[str, float], *, max_step: float = 1.25) -> Hyper:
        """The next version: named values times their factors, each within ``max_step`` and its bounds."""
        values = dict(self.values)
        for name, factor in factors.items():
            low, high = BOUNDS[name]
            values[name] = min(high, max(low, values[name] * min(max_step, max(1 / max_step, factor))))
        return Hyper(self.version + 1, values, dict(evidence))
