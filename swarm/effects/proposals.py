"""What agents ask for: absolute values, in columns, one row a write.

Letters: n rows of one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Field(IntEnum):
    """The settings of a campaign on a channel that can be written."""

    BUDGET = 0
    """Daily budget, micros of the campaign's currency."""
    BID = 1
    """Highest bid for a click, micros of the campaign's currency."""
    WEIGHT = 2
    """Share of a creative in the rotation, parts per million."""
    STATUS = 3
    """1 delivers, 0 is paused."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """A batch of writes; ``campaign`` and ``channel`` index the portfolio."""

    campaign: NDArray[np.int32]
    channel: NDArray[np.int32]
    field: NDArray[np.int8]
    creative: NDArray[np.int16]
    """Index of the creative for WEIGHT, -1 for the other fields."""
    new: NDArray[np.int64]
    reason: NDArray[np.str_]
    """Short code: pace, allocate, rotate, launch, end, ..."""
    estimate: NDArray[np.float64]
    """The value of a click that the move was made from (goal units per click)."""
    price: NDArray[np.float64]
    """The price of money that the move was made from (goal units per currency unit)."""

    def __len__(self) -> int:
        return len(self.campaign)

    def take(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> Proposals:
        """The rows that ``index`` selects."""
        return Proposals(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def pauses(cls, status: NDArray[np.int64], *, reason: str) -> Proposals:
        """A pause for everything that delivers by ``status`` [R, C]."""
        campaign, channel = np.nonzero(status == 1)
        count = len(campaign)
        return cls(
            campaign=campaign.astype(np.int32),
            channel=channel.astype(np.int32),
            field=np.full(count, Field.STATUS, dtype=np.int8),
            creative=np.full(count, -1, dtype=np.int16),
            new=np.zeros(count, dtype=np.int64),
            reason=np.full(count, reason),
            estimate=np.zeros(count),
            price=np.zeros(count),
        )

    @classmethod
    def concat(cls, parts: Sequence[Proposals]) -> Proposals:
        """All rows of ``parts``, in order; at least one part."""
        return cls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)})
