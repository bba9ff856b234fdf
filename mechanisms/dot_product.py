"""Scaled dot-product attention over heads: what the mechanisms with learned projections share.

``attend`` is the bare operation; ``attend_projected`` gives the same with projected keys and values
and never more work than it takes: for a few queries it moves the projections off the keys, since
``<q, W k> = <W^T q, k>`` and ``sum_j w_j W v_j = W sum_j w_j v_j``.

Letters: B batch, H heads, Nq queries, Nk keys, W width, d width of a head (W = H d), Dk and Dv
widths of key and value before they are projected.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms.base import masked_softmax


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    heads: int = 1,
    *,
    scale: float | None = None,
    causal: bool = False,
) -> Tensor:
    """``softmax(scale <q_h, k_h>) v_h`` for each head, joined: torch's fused kernel, nothing learned.

    Args:
        query: [B, Nq, W].
        key: [B, Nk, W].
        value: [B, Nk, Wv].
        mask: [B, Nk] boolean, True keeps; a row with nothing kept answers zero.
        heads: H, which divides W and Wv.
        scale: of the logits; 1/sqrt(d) if None.
        causal: query i sees the keys up to i; only without a mask and with as many queries as keys.

    Returns:
        [B, Nq, Wv].

    >>> attend(torch.zeros(1, 1, 2), torch.zeros(1, 2, 2), torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[[2.0, 3.0]]]
    """
    keep = None if mask is None else mask[:, None, None]
    if heads == 1:  # A transpose costs a small call as much as its arithmetic.
        q, k, v = query[:, None], key[:, None], value[:, None]
        return F.scaled_dot_product_attention(q, k, v, keep, is_causal=causal, scale=scale)[:, 0]
    q, k, v = split(query, heads), split(key, heads), split(value, heads)
    return join(F.scaled_dot_product_attention(q, k, v, keep, is_causal=causal, scale=scale))


def attend_projected(
    query: Tensor, key: Tensor, value: Tensor, key_weight: Tensor, value_weight: Tensor, mask: Tensor | None, heads: int
) -> Tensor:
    """``attend`` to ``key W_k^T`` and ``value W_v^T``.

    Args:
        query: [B, Nq, W], projected already.
        key: [B, Nk, Dk].
        value: [B, Nk, Dv].
        key_weight: [W, Dk].
        value_weight: [W, Dv].
        mask: [B, Nk] boolean, True keeps, or None.
        heads: H.

    Returns:
        [B, Nq, W].
    """
    if not few(query.shape[1], key.shape[1], query.shape[2], heads):
        return attend(query, F.linear(key, key_weight), F.linear(value, value_weight), mask, heads)
    q = split(query, heads)
    asked = per_head(q, torch.unflatten(key_weight, 0, (heads, -1)))  # [B, H, Nq, Dk]
    read = attend(asked.flatten(1, 2), key, value, mask, scale=1 / math.sqrt(q.shape[-1]))
    return join(project(torch.unflatten(read, 1, (heads, -1)), value_weight))


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None, scale: float = 1.0) -> Tensor:
    """``softmax(scale <q, k>)`` of split queries [B, H, Nq, d] and keys [B, H, Nk, d]: [B, H, Nq, Nk]."""
    return masked_softmax((scale * query) @ key.mT, None if mask is None else mask[:, None, None])


def few(queries: int, keys: int, width: int, heads: int) -> bool:
    """Whether projecting for the queries takes fewer multiplications than projecting each key.

    For each column of the key it is ``Nq (W + H Nk)`` against ``Nk W``; measured times cross close to there.
    """
    return queries * (width + heads * keys) < keys * width


def mix(weights: Tensor, value: Tensor) -> Tensor:
    """Each head's mixtures of raw values: weights [B, H, Nq, Nk] of value [B, Nk, Dv] to [B, H, Nq, Dv]."""
    return torch.unflatten(torch.bmm(weights.flatten(1, 2), value), 1, weights.shape[1:3])


def project(mixed: Tensor, weight: Tensor) -> Tensor:
    """What each head read of raw values, [B, H, Nq, Dv], through its rows of ``weight`` [W, Dv]: [B, H, Nq, d]."""
    return per_head(mixed, torch.unflatten(weight, 0, (mixed.shape[1], -1)).mT)


def per_head(x: Tensor, weights: Tensor) -> Tensor:
    """[B, H, N, a] times each head's [H, a, b], as H products; a broadcast would copy the weights B times."""
    product = torch.bmm(x.transpose(0, 1).flatten(1, 2), weights)
    return torch.unflatten(product, 1, (x.shape[0], x.shape[2])).transpose(0, 1)


def split(x: Tensor, heads: int) -> Tensor:
    """[B, N, W] to [B, H, N, d]."""
    return torch.unflatten(x, -1, (heads, -1)).transpose(1, 2)


def join(x: Tensor) -> Tensor:
    """[B, H, N, d] to [B, N, W]."""
    return x.transpose(1, 2).flatten(2)


def matrix(rows: int, columns: int, rng: torch.Generator, gain: float = 1.0) -> nn.Parameter:
    """A learned projection [rows, columns] at its start, Xavier uniform times ``gain``."""
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, columns), gain, generator=rng))


def check_heads(width: int, heads: int) -> None:
    """Refuse heads that do not divide the width.

    Raises:
        ValueError: if they do not.
    """
    if heads < 1 or width % heads:
        raise ValueError(f"width {width} is not a multiple of {heads} heads")
