"""What all models share: an answer that is trained, learnt in the run or simple, and says which; and a loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mechanisms.base import AttentionOutput
from policies.models.shapes import Shape, check_arrays
from policies.models.task import Source


class HeadModel(nn.Module):
    """A mechanism and a small head, with the simple alternative beside them.

    A model starts simple. ``policies.models.weights.load`` makes it trained; a head that the run learns replaces the
    shipped one, on the same body.
    """

    HEAD: ClassVar[Mapping[str, Shape]] = {}
    """Names and shapes of the arrays of a head that is learnt in the run; empty where none is."""
    forward: Callable[..., AttentionOutput]
    """The answer, by the names that ``Sample.inputs`` has; every tensor of it has B first."""
    simple: Callable[..., AttentionOutput]
    """The alternative on the same inputs, without weights; its output has the shape of ``forward``'s."""

    def __init__(self) -> None:
        """Start simple and without a head."""
        super().__init__()
        self.source: Source = "simple"
        self.version = 0
        """Version of the head learnt in the run; 0 before one is set."""
        self.head: dict[str, Tensor] | None = None

    def answer(self, **inputs: Tensor) -> AttentionOutput:
        """What the service gives."""
        if self.source == "simple":
            return self.simple(**inputs)
        answer: AttentionOutput = self(**inputs)
        return answer

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """[B] a proper score of ``output``, lower is better: for training, for held-out markets, for every rival."""
        raise NotImplementedError

    def objective(self, inputs: Mapping[str, Tensor], target: Mapping[str, Tensor], markets: int) -> Tensor:  # noqa: ARG002
        """[] what training lowers on a batch of ``markets`` markets, which stand one after another and are equally
        large; the mean loss, where a model has nothing to add to it."""
        return self.loss(self(**inputs).output, target).mean()

    def set_head(self, arrays: Mapping[str, NDArray[Any]], version: int) -> None:
        """Answer with these arrays from now on.

        Args:
            arrays: as ``HEAD`` says.
            version: 1 or more; it need not grow, so that a head can be rolled back.

        Raises:
            ValueError: on wrong names or shapes, numbers that are not finite, or version < 1.
        """
        name = type(self).__name__
        check_arrays(arrays, self.HEAD, of=f"head of {name}")
        if version < 1:
            raise ValueError(f"head of {name}: version is {version}, expected 1 or more")
        for key, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"head of {name}: {key} holds a NaN or infinite number")
        self.head = {key: torch.tensor(array, dtype=torch.float32) for key, array in arrays.items()}
        self.version, self.source = version, "learnt"


def projection(rows: int, columns: int, seed: int) -> Tensor:
    """Seeded matrix [rows, columns] with orthogonal rows that keeps the length of a vector on average."""
    matrix = torch.empty(rows, columns)
    nn.init.orthogonal_(matrix, generator=torch.Generator().manual_seed(seed))
    return matrix * math.sqrt(columns / rows)
