"""Overlapping audiences: whom two channels reach converts once, and both platforms report it.

If channels c and d bring v_c and v_d conversions, the share o_cd of the smaller one's people are among the other's:
o_cd v_c v_d / (v_c + v_d) are the same, which is o_cd v_c where v_c is small. Half of them are taken from each.

Letters: R campaigns, C channels, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.streams import effects, stream

Floats = NDArray[np.float64]
MEMORY_H = 48.0
"""Mean hours that people who were reached stay in what is compared."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Which channels reach the same people."""

    shared: Floats
    """[R, C, C] share of the smaller channel's people whom the other reaches too; symmetric, 0 with itself."""

    @classmethod
    def none(cls, rows: int, channels: int) -> Overlap:
        """Nobody is on two channels."""
        return cls(np.zeros((rows, channels, channels)))

    @staticmethod
    def draw(seed: int, key: int, groups: Sequence[str], channels: int) -> Floats:
        """[C, C] of one campaign: more where the same groups of people like both channels.

        At most 0.05 to 0.35, by the campaign; ``effects`` of kind affinity say how much a group likes each channel.
        """
        likes = np.tanh([effects(seed, "affinity", group, channels) for group in groups])
        alike = (likes.T @ likes) / len(groups)
        most = stream(seed, "overlap", key).uniform(0.05, 0.35)
        return np.asarray(most * (0.5 + 0.5 * alike) * (1.0 - np.eye(channels)))

    def counted(self, reached: Floats) -> Floats:
        """[R, C] share of each channel's conversions that is left when all people count once, by who is ``reached``."""
        return np.asarray(1.0 - 0.5 * np.einsum("rcd,rcd->rc", self.shared, _other(reached)))

    def marginal(self, reached: Floats) -> Floats:
        """[R, C] what one more conversion of each channel adds to the people."""
        return np.asarray(1.0 - np.einsum("rcd,rcd->rc", self.shared, _other(reached) ** 2))


def _other(reached: Floats) -> Floats:
    """[R, C, C] the second channel's part of what it and the first one reach."""
    both = reached[:, :, None] + reached[:, None, :]
    return np.asarray(reached[:, None, :] / np.where(both > 0, both, 1.0))
