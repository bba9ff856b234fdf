"""The arrays that mechanisms are measured on, and torch's attention that they are compared with.

Letters: B batch, Nq queries, Nk keys, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, LENGTH, HEADS = 256, 100, 4
"""The seed's setting."""


def random(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal float32, the same for a seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def three(batch: int, queries: int, keys: int, *, width: int = WIDTH, key_width: int = WIDTH) -> dict[str, Tensor]:
    """Query [B, Nq, ``width``], key and value [B, Nk, ``key_width``]."""
    rows = {"query": (queries, width), "key": (keys, key_width), "value": (keys, key_width)}
    return {name: random(batch, *shape, seed=seed) for seed, (name, shape) in enumerate(rows.items())}


class Sdpa(nn.Module):
    """Query, key, value and output projections without bias, and ``scaled_dot_product_attention`` between them."""

    def __init__(self, width: int = WIDTH, key_width: int = WIDTH) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (
            nn.Linear(inner, width, bias=False) for inner in (width, key_width, key_width, width)
        )

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """[B, Nq, W], [B, Nk, key_width] twice, to [B, Nq, W]."""
        q, k, v = (_split(x) for x in (self.query(query), self.key(key), self.value(value)))
        joined: Tensor = self.output(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return joined


def _split(x: Tensor) -> Tensor:
    return x.view(*x.shape[:2], HEADS, -1).transpose(1, 2)
