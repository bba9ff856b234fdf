"""How much of the newest value of a key comes back: python -m docs.mechanisms.draw.linear."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from docs.mechanisms.draw.sheet import lines
from mechanisms.delta_rule import chunked
from swarm.observe.report.charts import Line

_PAIRS = [1, 2, 4, 6, 8, 10, 12, 14, 16]
_TIMES = 3
"""How often each key is written, each time with another value."""


def recall(keys: Tensor, values: Tensor) -> Tensor:
    """Reads [64, n, V] of each key after all events, all kept: keys [64, n, K], values [64, times, n, V]."""
    times, n = values.shape[1:3]
    rows = torch.cat([keys.repeat(1, times, 1), keys], dim=1)[:, None]
    written = torch.cat([values.flatten(1, 2), torch.zeros_like(values[:, 0])], dim=1)[:, None]
    write = torch.ones(rows.shape[:3]).index_fill(2, torch.arange(times * n, (times + 1) * n), 0.0)
    state = torch.zeros(len(keys), 1, keys.shape[2], values.shape[3])
    return chunked(rows, rows, written, torch.zeros_like(write), write, state, 64)[0][:, 0, times * n :]


def additive(keys: Tensor, values: Tensor) -> Tensor:
    """The same of a state that only adds."""
    return keys @ (keys.transpose(-1, -2) @ values.sum(1))


def random_features(query: Tensor, key: Tensor, value: Tensor, features: int = 16) -> Tensor:
    """The npm library's formula: exp(w x - |x|^2 / 2) / sqrt(F) with w of variance 1/d, no division by what is tiny."""
    w = torch.randn(features, query.shape[-1], generator=torch.Generator().manual_seed(42)) / math.sqrt(query.shape[-1])
    q, k = (torch.exp(x @ w.T - x.square().sum(-1, keepdim=True) / 2) / math.sqrt(features) for x in (query, key))
    top, below = q @ (k.transpose(-1, -2) @ value), q @ k.sum(-2)[..., None]
    return torch.where(below > 1e-8, top / below, top)


def main() -> None:
    """Draw the mean cosine between what is read and the newest value, for orthogonal keys of 16 features."""
    rng = torch.Generator().manual_seed(5)
    found: dict[str, list[float]] = {"delta rule": [], "sum of products": [], "npm kernel": []}
    for n in _PAIRS:
        keys = torch.linalg.qr(torch.randn(64, 16, 16, generator=rng)).Q[:, :n]
        values = torch.randn(64, _TIMES, n, 64, generator=rng)
        wide = torch.randn(64, n, 256, generator=rng)
        reads = (recall(keys, values), additive(keys, values), random_features(wide, wide, values[:, -1]))
        for line, read in zip(found.values(), reads, strict=True):
            line.append(F.cosine_similarity(read, values[:, -1], dim=-1).mean().clamp(min=0).item())
    given = [Line(name, values, look) for (name, values), look in zip(found.items(), ("k0", "k1", "k3"), strict=True)]
    lines(
        "linear", given, labels=[str(n) for n in _PAIRS], title="Cosine of what is recalled with what was written last"
    )


if __name__ == "__main__":
    main()
