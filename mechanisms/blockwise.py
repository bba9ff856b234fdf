"""Attention in blocks of keys: memory that grows with the length, not with its square, backwards too.

Forwards each row keeps the greatest logit so far and the sum of exponentials below it (online softmax: Milakov
and Gimelshein 2018; Rabe and Staats 2021); backwards the weights of a block are computed again from the
log-sum-exp (Dao et al. 2022).  Attention over two sets of keys is ``merge`` of attention over each.

Letters: B batch, H heads, Nq queries, Nk keys, d width of a head, Dv width of a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from mechanisms.base import masked_softmax

Part = tuple[Tensor, Tensor]
"""Output [B, H, Nq, Dv] and log-sum-exp [B, H, Nq, 1] of attention over some of the keys."""


def blockwise(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    block_size: int = 64,
    causal: bool = False,
    scale: float = 1.0,
) -> Part:
    """``softmax(scale <q, k>) v``, one block of keys at a time.

    Args:
        query: [B, H, Nq, d].
        key: [B, H, Nk, d].
        value: [B, H, Nk, Dv].
        mask: [B, Nk] boolean, True keeps.
        block_size: keys at a time; memory grows with it, the result does not depend on it.
        causal: the last query sees all keys, each one before it one key less.
        scale: of the logits.

    Returns:
        Output and log-sum-exp of the logits, both with gradients; 0 and -inf for a query that sees no key.
    """
    result: Part = _Blockwise.apply(query, key, value, mask, block_size, causal, scale)  # type: ignore[no-untyped-call]
    return result


def weights_of(
    query: Tensor, key: Tensor, lse: Tensor, mask: Tensor | None = None, *, causal: bool = False, scale: float = 1.0
) -> Tensor:
    """The weights behind an output, [B, H, Nq, Nk]: the one result whose size is queries by keys."""
    s = _logits(query, key, mask, slice(0, query.shape[2]), slice(0, key.shape[2]), causal, scale)
    return (s - lse.clamp(min=_floor(s))).exp()


def merge(first: Part, second: Part) -> Part:
    """Attention over the keys of both: each output counts by its share of the exponentials.

    It is associative, so a ring of workers that each hold some keys may fold it in any order.
    """
    both = torch.cat([first[1], second[1]], dim=-1)  # [B, H, Nq, 2]
    share = masked_softmax(both, both > -torch.inf)
    output = share[..., :1] * first[0] + share[..., 1:] * second[0]
    top = both.detach().amax(-1, keepdim=True).clamp(min=_floor(both))
    total = (both - top).exp().sum(-1, keepdim=True)  # At least 1, or 0 where neither part has seen a key.
    return output, torch.where(total > 0, top + total.clamp(min=1.0).log(), -torch.inf)


class _Blockwise(Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, block_size: int, causal: bool, scale: float
    ) -> Part:
        """The online softmax."""
        output = q.new_zeros(*q.shape[:3], v.shape[3])
        top = q.new_full((*q.shape[:3], 1), -torch.inf)
        total = torch.zeros_like(top)
        for rows, columns in _blocks(q.shape[2], k.shape[2], block_size, causal):
            s = _logits(q, k, mask, rows, columns, causal, scale)
            before, highest = top[:, :, rows], torch.maximum(top[:, :, rows], s.amax(-1, keepdim=True))
            shift = highest.clamp(min=_floor(q))  # A row that has seen no key yet: -inf - (-inf) is no number.
            p, decay = s.sub_(shift).exp_(), (before - shift).exp_()
            total[:, :, rows] = total[:, :, rows] * decay + p.sum(-1, keepdim=True)
            output[:, :, rows] = output[:, :, rows] * decay + p @ v[:, :, columns]
            top[:, :, rows] = highest
        # The greatest logit alone adds exp(0) = 1, so a total below 1 is that of a row without keys.
        output = output / total.clamp(min=1.0)
        lse = top + total.log()
        ctx.save_for_backward(q, k, v, mask, output, lse)
        ctx.block_size, ctx.causal, ctx.scale = block_size, causal, scale
        return output, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_output: Tensor, d_lse: Tensor) -> tuple[Tensor | None, ...]:
        """With ``p`` computed again: ``ds = p (do v^T - <do, o> + dlse)``."""
        q, k, v, mask, output, lse = ctx.saved_tensors
        dq, dk, dv = torch.zeros_like(q), torch.empty_like(k), torch.empty_like(v)
        common = d_lse - (d_output * output).sum(-1, keepdim=True)
        shift = lse.clamp(min=_floor(q))
        for rows, columns in _blocks(q.shape[2], k.shape[2], ctx.block_size, ctx.causal):
            p = _logits(q, k, mask, rows, columns, ctx.causal, ctx.scale).sub_(shift[:, :, rows]).exp_()
            dv[:, :, columns] = p.mT @ d_output[:, :, rows]
            ds = p.mul_(d_output[:, :, rows] @ v[:, :, columns].mT + common[:, :, rows]).mul_(ctx.scale)
            dq[:, :, rows] += ds @ k[:, :, columns]
            dk[:, :, columns] = ds.mT @ q[:, :, rows]
        return dq, dk, dv, None, None, None, None


def _blocks(queries: int, keys: int, size: int, causal: bool) -> Iterator[tuple[slice, slice]]:
    """The keys block by block, each with the queries that see any of it."""
    for start in range(0, keys, size):
        first = max(start - (keys - queries), 0) if causal else 0
        yield slice(min(first, queries), queries), slice(start, min(start + size, keys))


def _logits(
    q: Tensor, k: Tensor, mask: Tensor | None, rows: slice, columns: slice, causal: bool, scale: float
) -> Tensor:
    """Logits of a block, -inf where a query may not look."""
    s = (q[:, :, rows] @ k[:, :, columns].mT).mul_(scale)
    if mask is not None:
        s.masked_fill_(~mask[:, None, None, columns], -torch.inf)
    if causal:
        late = k.shape[2] - q.shape[2]
        i = torch.arange(rows.start, rows.stop, device=q.device)[:, None]
        j = torch.arange(columns.start, columns.stop, device=q.device)
        s.masked_fill_(j > i + late, -torch.inf)
    return s


def _floor(x: Tensor) -> float:
    """The least finite number, in place of -inf where a difference is taken."""
    return torch.finfo(x.dtype).min
