"""Attention over sequences of different length that lie end to end in one tensor, without padding.

Letters: S sequences, T rows of all of them, W width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def packed(
    attention: Callable[[Tensor, Tensor, Tensor], Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_offsets: Tensor,
    key_offsets: Tensor,
) -> Tensor:
    """Each sequence attends to itself alone; those of one length go through ``attention`` as one batch.

    Args:
        attention: takes [B, Nq, W], [B, Nk, W], [B, Nk, Wv] and answers [B, Nq, Wv].
        query: [Tq, W].
        key: [Tk, W].
        value: [Tk, Wv].
        query_offsets: [S + 1] integers; sequence s has the rows from offset s up to offset s + 1.
        key_offsets: [S + 1], the same for keys; a sequence without keys answers zero.

    Returns:
        [Tq, Wv].

    Raises:
        ValueError: on offsets that do not rise from 0 to the number of rows, or of different number.
    """
    check_offsets("query_offsets", query_offsets, len(query))
    check_offsets("key_offsets", key_offsets, len(key))
    if len(query_offsets) != len(key_offsets):
        raise ValueError(
            f"query_offsets {tuple(query_offsets.shape)} and key_offsets {tuple(key_offsets.shape)} differ"
        )
    output = value.new_zeros(len(query), value.shape[1])
    lengths = torch.stack([query_offsets.diff(), key_offsets.diff()], dim=1)  # [S, 2]
    for pair in torch.unique(lengths, dim=0):
        n_q, n_k = pair.tolist()
        if n_q and n_k:
            alike = (lengths == pair).all(1)
            rows = query_offsets[:-1][alike, None] + torch.arange(n_q, device=query.device)
            columns = key_offsets[:-1][alike, None] + torch.arange(n_k, device=query.device)
            output[rows] = attention(query[rows], key[columns], value[columns])
    return output


def check_offsets(name: str, offsets: Tensor, rows: int) -> None:
    """Refuse offsets that do not cut ``rows`` rows into sequences.

    Raises:
        ValueError: if they are not one row of integers that rises from 0 to ``rows``.
    """
    if offsets.dim() != 1 or offsets.is_floating_point() or offsets.dtype == torch.bool:
        raise ValueError(f"{name} is {offsets.dtype} of shape {tuple(offsets.shape)}, expected integers [S + 1]")
    if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != rows or (offsets.diff() < 0).any():
        raise ValueError(f"{name} goes {offsets.tolist()[:8]}, expected to rise from 0 to {rows} rows")
