"""What every mechanism shares: the answer, the shape check and a softmax that survives masks.

Letters: B batch, N rows, Nq queries, Nk keys, D width.  A mask is boolean, True keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class AttentionOutput:
    """What a mechanism answers."""

    output: Tensor
    """[B, Nq, width of the output]."""
    weights: Tensor | None = None
    """How much each query read of each key, last axis Nk; None unless asked for with ``need_weights``."""
    extras: dict[str, Tensor] = field(default_factory=dict)
    """Further results by name; the mechanism's docstring lists them and says which have to be asked for."""


def check_shapes(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    """Refuse arguments whose batches or key counts disagree.

    Args:
        query: [B, Nq, Dq].
        key: [B, Nk, Dk].
        value: [B, Nk, Dv].
        mask: [B, Nk] boolean, or None to keep every key.

    Raises:
        ValueError: if a rank, a batch, a key count or the mask's dtype is wrong; names both shapes.
    """
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if tensor.dim() != 3:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected [B, N, D]")
    if query.shape[0] != key.shape[0]:
        raise ValueError(f"query {tuple(query.shape)} and key {tuple(key.shape)} differ in batch")
    if key.shape[:2] != value.shape[:2]:
        raise ValueError(f"value {tuple(value.shape)} does not pair with key {tuple(key.shape)}")
    check_mask(mask, key)


def check_mask(mask: Tensor | None, key: Tensor) -> None:
    """Refuse a mask that is not boolean [B, Nk] for ``key`` [B, Nk, D].

    Raises:
        ValueError: if the mask's shape or dtype is wrong; names both shapes.
    """
    if mask is None:
        return
    if mask.shape != key.shape[:2]:
        raise ValueError(f"mask {tuple(mask.shape)} does not pair with key {tuple(key.shape)}")
    if mask.dtype != torch.bool:
        raise ValueError(f"mask has dtype {mask.dtype}, expected torch.bool")


def check_width(name: str, tensor: Tensor, width: int) -> None:
    """Refuse a tensor whose last axis is not ``width``.

    Raises:
        ValueError: if it differs; names both shapes.
    """
    if tensor.shape[-1] != width:
        expected = (*tensor.shape[:-1], width)
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {expected}")


def checked(output: Tensor, name: str) -> Tensor:
    """``output``, vouched for by one reduction.

    Raises:
        RuntimeError: if it holds a NaN or infinity, or sums to one; ``name`` says whose output it is.
    """
    total = output.detach().sum()
    # total - total is zero for a finite total, else NaN: two small calls where isfinite makes four.
    torch._assert_async(total.sub_(total).logical_not_(), f"NaN or infinity in the output of {name}")
    return output


def masked_softmax(logits: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the last axis among the kept entries.

    A row with nothing kept gets zero weights, so that its weighted sum is zero, not NaN.

    Args:
        logits: [..., Nk].
        mask: boolean, broadcastable to ``logits``; None keeps all.

    Returns:
        Weights [..., Nk], exactly zero where masked.
    """
    if mask is None:
        return torch.softmax(logits, dim=-1)
    lowest = torch.finfo(logits.dtype).min
    return torch.softmax(logits.masked_fill(~mask, lowest), dim=-1) * mask
