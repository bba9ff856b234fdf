"""What people met on their way, and whether they bought: the input of every attribution.

Letters: J paths, T touches of all paths together, C channels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from policies.frames import Bools, Floats, Ints
from policies.naming import check_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One person's touches, or many people's who had the same."""

    touches: Sequence[tuple[str, float]]
    """Channel and moment of each touch, in seconds since any time that is the same for the whole path; any order."""
    end_s: float | None = None
    """When the person converted, or was last looked at; the last touch's moment if it is not said."""
    people: float = 1.0
    conversions: float = 0.0
    """Of these people; at most ``people``."""
    value: float | None = None
    """Of these conversions, in any unit; their number if it is not said."""
    withheld: Collection[str] = ()
    """Channels that a randomised holdout kept from this person: their touches would have been, and were not."""


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Many paths as flat arrays, touches of a path together and in their order.

    >>> both = Path(touches=[("email", 60.0), ("search", 0.0)], conversions=1)
    >>> paths = Paths.of([both, Path(touches=[("email", 0.0)])])
    >>> paths.channels, paths.age_s.tolist()
    (('email', 'search'), [60.0, 0.0, 0.0])
    """

    channels: tuple[str, ...]
    path: Ints
    """[T] the path of each touch, ascending."""
    channel: Ints
    """[T] place in ``channels``."""
    age_s: Floats
    """[T] seconds from the touch to the path's end, falling within a path."""
    people: Floats
    """[J]"""
    conversions: Floats
    """[J]"""
    value: Floats
    """[J] of all conversions of the path."""
    withheld: Bools
    """[J, C] what the holdout kept from whom."""

    @classmethod
    def of(cls, paths: Iterable[Path], channels: Sequence[str] | None = None) -> Paths:
        """From paths one by one; ``channels`` in their order, by default all that there are, sorted.

        Raises:
            ValueError: if there is no path, a channel is not among ``channels``, a touch comes after its path's end, or
                more convert than there are people.
        """
        listed = list(paths)
        if not listed:
            raise ValueError("0 paths, expected at least 1")
        names = sorted({name for path in listed for name, _ in path.touches}) if channels is None else list(channels)
        place = {name: c for c, name in enumerate(names)}
        for name in {name for path in listed for name in (*path.withheld, *(name for name, _ in path.touches))}:
            check_known("channel", name, names)
        rows = [(j, place[name], _end(path) - at) for j, path in enumerate(listed) for name, at in _ordered(path)]
        flat = np.array(rows, dtype=np.float64).reshape(-1, 3)
        withheld = np.array([[name in path.withheld for name in names] for path in listed], dtype=bool)
        return cls(
            tuple(names),
            flat[:, 0].astype(np.int64),
            flat[:, 1].astype(np.int64),
            flat[:, 2],
            np.array([path.people for path in listed], dtype=np.float64),
            np.array([path.conversions for path in listed], dtype=np.float64),
            np.array([path.conversions if path.value is None else path.value for path in listed], dtype=np.float64),
            withheld.reshape(len(listed), len(names)),
        )

    def __post_init__(self) -> None:
        if (late := self.age_s < 0).any():
            raise ValueError(f"a touch {-self.age_s[late][0]:g} s after its path's end, expected none")
        if (many := (self.conversions > self.people) | (self.conversions < 0)).any():
            j = int(many.argmax())
            raise ValueError(f"{self.conversions[j]:g} conversions of {self.people[j]:g} people, expected 0 to all")

    @property
    def shown(self) -> Bools:
        """[T] touches that happened: all that no holdout kept back."""
        return np.asarray(~self.withheld[self.path, self.channel])

    def seen(self) -> Paths:
        """The same paths without the touches that were kept back: all that a report without a holdout knows."""
        kept = self.shown
        return replace(self, path=self.path[kept], channel=self.channel[kept], age_s=self.age_s[kept])

    def place(self) -> tuple[Ints, Ints]:
        """[T] twice: how many touches come before and after each in its path."""
        length = np.bincount(self.path, minlength=len(self.people))
        before = np.arange(len(self.path)) - (np.cumsum(length) - length)[self.path]
        return before, length[self.path] - 1 - before

    def per_path(self, weight: Floats) -> Floats:
        """[J, C] sums of ``weight`` [T] by path and channel."""
        size = len(self.channels)
        flat = np.bincount(self.path * size + self.channel, weight, len(self.people) * size)
        return np.asarray(flat, np.float64).reshape(len(self.people), size)

    def named(self, credit: Floats) -> dict[str, float]:
        """``credit`` [C] by the channels' names."""
        return dict(zip(self.channels, credit.tolist(), strict=True))


def shares(credit: dict[str, float]) -> dict[str, float]:
    """``credit`` as shares that sum to 1; what is below zero counts as nothing, equal shares where nothing is left.

    >>> shares({"search": 3.0, "email": 1.0, "display": -0.5})
    {'search': 0.75, 'email': 0.25, 'display': 0.0}
    """
    total = sum(max(x, 0.0) for x in credit.values())
    return {name: max(x, 0.0) / total if total > 0 else 1.0 / len(credit) for name, x in credit.items()}


def _end(path: Path) -> float:
    return max((at for _, at in path.touches), default=0.0) if path.end_s is None else path.end_s


def _ordered(path: Path) -> list[tuple[str, float]]:
    return sorted(path.touches, key=lambda touch: touch[1])  # stable: simultaneous touches stay as they were given
