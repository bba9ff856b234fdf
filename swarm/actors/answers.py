"""Attention's answers in the journal: the numbers that decisions were made from, so that they can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm.attention.request import Answer

MOST_NUMBERS = 1_000_000
"""Answers with more numbers than this are kept without them."""
_OWN = ("output", "source")


def as_arrays(answer: Answer) -> dict[str, NDArray[Any]]:
    """What the journal keeps of ``answer``, beside its version: output, source and extras."""
    arrays = {**answer.extras, "output": answer.output}
    if sum(array.size for array in arrays.values()) > MOST_NUMBERS:
        return {}
    return {**arrays, "source": np.array(answer.source)}


def from_arrays(version: int, arrays: Mapping[str, NDArray[Any]]) -> Answer:
    """The answer that ``as_arrays`` kept.

    Raises:
        ValueError: it was kept without its numbers, or by a version of the program that kept less.
    """
    if "source" not in arrays:
        raise ValueError("the journal does not have the numbers of this answer: it was too large, or kept before")
    extras = {name: array for name, array in arrays.items() if name not in _OWN}
    source: Any = str(arrays["source"])
    return Answer(output=arrays["output"], weights=None, extras=extras, version=version, source=source, batch_size=1)
