"""What one platform tells of another: campaigns have traits, and platforms' people answer to them alike or not.

Letters: P platforms, T traits.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.world import effects, stream

TRAITS = 3
_SPREAD = (0.3, 0.35)
"""Of the log of a campaign's click rate and goal rate that its traits make."""


def kinship(seed: int, campaign: str, platforms: Sequence[str]) -> NDArray[np.float64]:
    """[P, 2] what a campaign's traits add to the log of its click and goal rate on each platform.

    A trait (how young, how professional, how much on impulse a purchase is, say) is the campaign's own and the same
    everywhere; how a platform's people answer to it is the platform's, half common to all markets. Two platforms with
    the same kind of people so tell much of each other, two with opposite kinds tell it the other way round. Answers
    saturate (tanh): who is won cannot be won twice, who is put off stays away only once.
    """
    traits = stream(seed, "traits", zlib.crc32(campaign.encode())).standard_normal(TRAITS)
    answers = np.array([effects(seed, "people", name, 2 * TRAITS).reshape(2, TRAITS) for name in platforms])
    return np.asarray(np.tanh(answers @ traits / np.sqrt(TRAITS)) * _SPREAD / np.sqrt(0.4))
