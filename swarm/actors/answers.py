"""Attention's answers in the journal: the numbers that decisions were made from, so that they can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm.attention.request import Answer

MOST_NUMBERS = 1_000_000
"""Of answers with more numbers than this, the features are left out: the next lesson alone reads them, and what a
lesson came to is kept with the hour."""
_OWN = ("output", "source")


def as_arrays(answer: Answer) -> dict[str, NDArray[Any]]:
    """What the journal keeps of ``answer``, beside its version: output, source and extras."""
    arrays = {**answer.extras, "output": answer.output}
    if "features" in arrays and sum(array.size for array in arrays.values()) > MOST_NUMBERS:
        arrays["features"] = arrays["features"][:, :0]
    return {**arrays, "source": np.array(answer.source)}


def from_arrays(version: int, arrays: Mapping[str, NDArray[Any]]) -> Answer:
    """The answer that ``as_arrays`` kept.

    Raises:
        ValueError: it was kept by a version of the program that kept less.
    """
    if "source" not in arrays:
        raise ValueError("the journal does not have the numbers of this answer: an earlier version kept it")
    extras = {name: array for name, array in arrays.items() if name not in _OWN}
    source: Any = str(arrays["source"])
    return Answer(output=arrays["output"], weights=None, extras=extras, version=version, source=source, batch_size=1)
