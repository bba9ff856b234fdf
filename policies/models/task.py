"""What a model is trained and measured on, and where its answers come from. No torch in here: the market draws it.

Letters: B examples, G markets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Source = Literal["trained", "learnt", "simple"]
"""Of an answer: shipped weights, a head that this run has learnt, or the alternative without weights."""
Arrays = Mapping[str, NDArray[Any]]
Predict = Callable[[Arrays], NDArray[Any]]
"""Inputs to outputs [B, ...] in the form of the model's own output."""
Fit = Callable[["Sample"], Predict]
"""A rival: learns from the training markets and predicts."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Examples of one market, or of several in a row."""

    inputs: Arrays
    """[B, ...] by the names of the model's arguments."""
    target: Arrays
    """[B, ...] what came of it, for the loss."""

    def __len__(self) -> int:
        """B."""
        return len(next(iter(self.inputs.values())))


def join(samples: Sequence[Sample]) -> Sample:
    """The examples of all ``samples``, one market after another."""
    first = samples[0]
    inputs = {name: np.concatenate([each.inputs[name] for each in samples]) for name in first.inputs}
    target = {name: np.concatenate([each.target[name] for each in samples]) for name in first.target}
    return Sample(inputs, target)


def data_version(sample: Sample) -> str:
    """Sixteen hexadecimal digits that change when the examples do, and not by the last bit of a logarithm."""
    digest = hashlib.sha256()
    for arrays in (sample.inputs, sample.target):
        for name, array in sorted(arrays.items()):
            rounded = np.round(array.astype(np.float64), 3) + 0.0  # no negative zero
            digest.update(f"{name}{array.shape}".encode() + rounded.tobytes())
    return digest.hexdigest()[:16]
