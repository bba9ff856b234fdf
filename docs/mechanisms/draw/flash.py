"""Peak memory of attention against the length, forwards and backwards: ``python -m docs.mechanisms.draw.flash``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log2

import torch
from torch import Tensor
from torch.nn import functional as F

from docs.mechanisms.draw.sheet import curve, label, rule, save
from mechanisms.blockwise import blockwise
from tests.mechanisms.memory import peak_bytes

LENGTHS = (512, 1024, 2048, 4096, 8192)
LONGEST_TABLE = 4096
"""Beyond it a table of queries by keys takes gigabytes."""
LEFT, RIGHT, TOP, BOTTOM = 56.0, 560.0, 20.0, 320.0


def _table(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The formula with all weights at once."""
    return torch.softmax(q @ k.mT, -1) @ v


def _blocks(q: Tensor, k: Tensor, v: Tensor, size: int) -> Tensor:
    return blockwise(q, k, v, block_size=size)[0]


FORMS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "torch, fused": F.scaled_dot_product_attention,
    "all weights at once": _table,
    "blocks of 64": partial(_blocks, size=64),
    "blocks of 256": partial(_blocks, size=256),
}


def _peak(form: Callable[[Tensor, Tensor, Tensor], Tensor], length: int) -> float:
    """MB for 4 heads of 64."""
    parts = tuple(torch.randn(1, 4, length, 64, requires_grad=True) for _ in range(3))
    return peak_bytes(lambda: torch.autograd.grad(form(*parts).sum(), parts)) / 2**20


def _x(length: float) -> float:
    return LEFT + (RIGHT - LEFT) * log2(length / LENGTHS[0]) / log2(LENGTHS[-1] / LENGTHS[0])


def _y(megabytes: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * log2(megabytes / 2) / log2(1024 / 2)


def main() -> None:
    """Measure and draw."""
    parts = [rule(LEFT, _y(mb), RIGHT, _y(mb)) for mb in (2, 8, 32, 128, 512)]
    parts += [label(LEFT - 6, _y(mb) + 4, f"{mb} MB", "end") for mb in (2, 8, 32, 128, 512)]
    parts += [label(_x(n), BOTTOM + 20, f"{n:,}", "middle") for n in LENGTHS]
    for place, (name, form) in enumerate(FORMS.items()):
        lengths = [n for n in LENGTHS if form is not _table or n <= LONGEST_TABLE]
        points = [(_x(n), _y(_peak(form, n))) for n in lengths]
        parts += [curve(points, f"k{place}"), label(points[-1][0] + 8, points[-1][1] + 4, name, f"k{place}")]
    save("flash", 690, 350, "Peak memory against length, forwards and backwards, 4 heads of 64", *parts)


if __name__ == "__main__":
    main()
