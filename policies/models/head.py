"""What the three models share: a fixed body and a small head that is learned elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mechanisms.base import AttentionOutput
from policies.models.shapes import Shape, check_arrays


class HeadModel(nn.Module):
    """A model that answers neutrally until a head is set.

    The body is drawn from a fixed seed and never changes, so features recorded under one head
    stay valid for training the next.
    """

    HEAD: ClassVar[Mapping[str, Shape]]
    """Names and shapes of the head's arrays."""

    def __init__(self) -> None:
        """Start without a head."""
        super().__init__()
        self.version = 0
        """Version of the head; 0 before one is set."""
        self.head: dict[str, Tensor] | None = None

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
        self.version = version

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Answer a batch; every tensor of the answer has B first."""
        raise NotImplementedError


def projection(rows: int, columns: int, seed: int) -> Tensor:
    """Seeded matrix [rows, columns] with orthogonal rows that keeps the length of a vector on average."""
    matrix = torch.empty(rows, columns)
    nn.init.orthogonal_(matrix, generator=torch.Generator().manual_seed(seed))
    return matrix * math.sqrt(columns / rows)
