"""Choosing experts: probabilities, gates, capacity, dispatch, and the two losses that keep a router honest.

Letters: B batch, N queries, E experts, C capacity, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mechanisms.base import masked_softmax


def route(logits: Tensor, allowed: Tensor | None, top_k: int) -> tuple[Tensor, Tensor]:
    """Probabilities over the allowed experts, and gates on the best ``top_k`` of them.

    Args:
        logits: [..., E].
        allowed: boolean, broadcastable to ``logits``; None allows all.
        top_k: experts to keep; ties go to the lower index.

    Returns:
        Probabilities [..., E] and gates [..., E]; both sum to 1, or to 0 with nothing allowed.
    """
    probabilities = masked_softmax(logits, allowed)
    best = probabilities.argsort(dim=-1, descending=True, stable=True)[..., :top_k]
    gates = probabilities * torch.zeros_like(probabilities).scatter(-1, best, 1.0)
    return probabilities, gates / gates.sum(-1, keepdim=True).clamp_min(torch.finfo(gates.dtype).tiny)


def capacity(factor: float, queries: int, top_k: int, experts: int) -> int:
    """Queries that an expert may answer: ``factor`` times its even share, rounded up, at most all of them.

    >>> capacity(1.25, 100, 2, 4)
    63
    """
    return min(queries, math.ceil(factor * queries * top_k / experts))


def routed(
    query: Tensor, gates: Tensor, places: int, experts: Callable[[Tensor], Tensor], shared: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Let each expert answer its strongest gates, and the shared expert what overflows.

    Every buffer has a fixed size, so nothing here depends on the numbers: the graph can be traced. An expert with
    fewer queries than places answers others as well, at gate 0.

    Args:
        query: [B, N, D].
        gates: [B, N, E], 0 where an expert was not chosen.
        places: C, the most queries that an expert answers, at most N.
        experts: maps [E, B, C, D], the queries of each expert, to answers [E, B, C, any].
        shared: maps [1, B, N, D] to answers [1, B, N, any].

    Returns:
        Output [B, N, any], and the gates [B, N, E] that were served; the rest of a gate went to the shared expert.
    """
    if places >= query.shape[1]:  # all fit: no queue, no overflow
        answers = experts(query.expand(gates.shape[-1], -1, -1, -1))
        return torch.einsum("bne,ebnd->bnd", gates, answers), gates
    order = gates.permute(2, 0, 1).sort(dim=-1, descending=True, stable=True)  # [E, B, N]
    strength, rows = order.values[..., :places], order.indices[..., :places]
    first = query.shape[1] * torch.arange(query.shape[0], device=query.device)
    rows = (rows + first[:, None]).flatten()  # among the B N queries of the batch
    answers = experts(query.flatten(0, 1)[rows].view(*strength.shape, -1))
    served = torch.zeros_like(order.values).scatter(-1, order.indices[..., :places], strength).permute(1, 2, 0)
    output = (gates - served).sum(-1, keepdim=True) * shared(query[None])[0]
    parts = (strength[..., None] * answers).flatten(0, 2)
    return output.flatten(0, 1).index_add(0, rows, parts).view_as(output), served


def balance_loss(probabilities: Tensor, gates: Tensor) -> Tensor:
    """``E sum_e f_e P_e`` (Fedus et al. 2021): 1 for a uniform router, E for one that always picks the same expert.

    f is the share of assignments, which has no gradient, and P the mean probability; both are [B, N, E] given.
    """
    chosen = (gates > 0).to(probabilities)
    f, p = chosen.sum((0, 1)) / chosen.sum(), probabilities.mean((0, 1))
    return gates.shape[-1] * (f * p).sum()


def z_loss(logits: Tensor) -> Tensor:
    """Mean squared log-sum-exp of logits [..., E] (Zoph et al. 2022): keeps the router's logits small."""
    return torch.logsumexp(logits, dim=-1).square().mean()
