"""Rotary attention at real times: pairs of coordinates turn with time, so a score knows only elapsed time.

Pair i of a row x of width d is ``(x_i, x_{i + d/2})``; at time t it is turned by the angle ``t r_i``,
with rates ``r_i`` from fast to slow.  Then ``<R(t) q, R(s) k> = <q, R(s - t) k>`` (Su et al. 2021).

Letters: B batch, H heads, N rows, Nq queries, Nk keys, d width of a head.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mechanisms.base import masked_softmax


class Turn(NamedTuple):
    """The rotation of rows at known times, computed once for a sequence and used for all that is turned by it."""

    cos: Tensor
    """[..., N, d], the cosine of each pair, at both of its places."""
    sin: Tensor
    """[..., N, d], the sine of each pair, negative at its first place."""


def rates(pairs: int, shortest: float, longest: float) -> Tensor:
    """Angular rates [pairs] in float64, in equal ratios from ``1 / shortest`` towards ``1 / longest``.

    ``shortest = 1`` and ``longest = 10_000`` are the rates of the usual base 10,000 at integer positions.

    >>> rates(2, 1.0, 10_000.0)
    tensor([1.0000, 0.0100], dtype=torch.float64)
    """
    steps = torch.arange(pairs, dtype=torch.float64) / pairs
    return torch.exp(-math.log(shortest) - math.log(longest / shortest) * steps)


def turn(time: Tensor, rate: Tensor, dtype: torch.dtype) -> Turn:
    """The rotation at ``time`` [..., N]; angles are float64, what is kept of them is ``dtype``.

    Args:
        time: float64, in the unit of ``rate``; small numbers, so count from a time nearby.
        rate: [d/2] float64.
        dtype: of the rows to turn.
    """
    angle = time[..., None] * rate
    cos, sin = angle.cos().to(dtype), angle.sin().to(dtype)
    return Turn(torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1))


def rotate(x: Tensor, by: Turn) -> Tensor:
    """Rows [..., N, d] turned forwards; lengths stay."""
    return (x * by.cos).addcmul_(x.roll(x.shape[-1] // 2, -1), by.sin)


def rotate_back(x: Tensor, by: Turn) -> Tensor:
    """The inverse of ``rotate``; one row of ``x`` may meet many rows of ``by``."""
    return (x * by.cos).addcmul_(x.roll(x.shape[-1] // 2, -1), by.sin, value=-1)


def rotary_weights(query: Tensor, key: Tensor, query_turn: Turn, key_turn: Turn, bias: Tensor | None = None) -> Tensor:
    """``softmax(<R(t_i) q_i, R(t_j) k_j> / sqrt(d) + bias_ij)`` over j.

    Args:
        query: [B, H, Nq, d].
        key: [B, H, Nk, d].
        query_turn: broadcasts to ``query``.
        key_turn: broadcasts to ``key``.
        bias: broadcasts to [B, H, Nq, Nk]; minus infinity hides a key.

    Returns:
        [B, H, Nq, Nk]; zero where hidden, also where all of a row is.
    """
    q = rotate(query, query_turn) / math.sqrt(query.shape[-1])
    if query.shape[2] == 1:
        # Turning the one query back by each key's time spares a turned copy of all keys.
        logits = torch.linalg.vecdot(rotate_back(q, key_turn), key)[:, :, None]
    else:
        logits = q @ rotate(key, key_turn).transpose(-1, -2)
    if bias is None:
        return torch.softmax(logits, dim=-1)
    return masked_softmax(logits + bias, bias > -torch.inf)


def rotary_attention(
    query: Tensor, key: Tensor, value: Tensor, query_turn: Turn, key_turn: Turn, bias: Tensor | None = None
) -> Tensor:
    """Values [B, H, Nk, any] read with ``rotary_weights``, as [B, H, Nq, any]; no weights are kept of many queries."""
    if query.shape[2] == 1:
        return rotary_weights(query, key, query_turn, key_turn, bias) @ value
    return F.scaled_dot_product_attention(rotate(query, query_turn), rotate(key, key_turn), value, attn_mask=bias)
