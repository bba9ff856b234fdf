"""What mechanisms are compared with: torch's own attention with linear projections around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Sdpa(nn.Module):
    """Query, key, value and output projections without bias, and ``scaled_dot_product_attention`` between them."""

    def __init__(self, width: int, key_width: int, value_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (
            nn.Linear(inner, width, bias=False) for inner in (width, key_width, value_width, width)
        )

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """[B, Nq, D], [B, Nk, Dk], [B, Nk, Dv] to [B, Nq, D]."""
        q, k, v = (self._split(x) for x in (self.query(query), self.key(key), self.value(value)))
        joined: Tensor = self.output(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return joined

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


def random(*shape: int, seed: int) -> Tensor:
    """Standard normal float32, the same for a seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
