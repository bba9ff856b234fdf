"""Choosing experts: probabilities, gates, capacity and the two losses that keep a router honest.

Letters: B batch, N queries, E experts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mechanisms.base import masked_softmax


def route(logits: Tensor, allowed: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Probabilities over the allowed experts, and gates on the best ``top_k`` of them.

    Args:
        logits: [..., E].
        allowed: boolean, broadcastable to ``logits``.
        top_k: experts to keep; ties go to the lower index.

    Returns:
        Probabilities [..., E] and gates [..., E]; both sum to 1, or to 0 with nothing allowed.
    """
    probabilities = masked_softmax(logits, allowed)
    best = probabilities.argsort(dim=-1, descending=True, stable=True)[..., :top_k]
    gates = probabilities * torch.zeros_like(probabilities).scatter(-1, best, 1.0)
    return probabilities, gates / gates.sum(-1, keepdim=True).clamp_min(torch.finfo(gates.dtype).tiny)


def within_capacity(gates: Tensor, capacity: Tensor) -> Tensor:
    """Which assignments an expert answers: its strongest gates first, whatever the order of queries.

    Args:
        gates: [B, N, E].
        capacity: broadcastable to [B, N, E], queries per expert and row.

    Returns:
        Boolean [B, N, E].
    """
    order = gates.argsort(dim=1, descending=True, stable=True)
    return (gates > 0) & (order.argsort(dim=1) < capacity)


def balance_loss(probabilities: Tensor, gates: Tensor, allowed: Tensor) -> Tensor:
    """``sum_e f_e P_e / sum_e u_e^2``: 1 when the router is uniform over what is allowed.

    f is the share of assignments, P the mean probability, u the mean of a uniform router;
    with all E experts allowed, u_e = 1/E and this is Switch's ``E sum_e f_e P_e``.
    """
    uniform = allowed / allowed.sum(-1, keepdim=True).clamp_min(1)
    f, p, u = (_shares(x) for x in ((gates > 0).to(probabilities), probabilities, uniform))
    return (f * p).sum() / (u * u).sum().clamp_min(torch.finfo(p.dtype).tiny)


def z_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Mean squared log-sum-exp of the allowed logits: keeps the router's logits small."""
    some = allowed.any(-1)
    total = torch.logsumexp(logits.masked_fill(~allowed, -math.inf)[some], dim=-1)
    return total.square().sum() / max(1, total.numel())


def _shares(x: Tensor) -> Tensor:
    """[B, N, E] to the share of each expert, [E]."""
    total = x.sum((0, 1))
    return total / total.sum().clamp_min(torch.finfo(x.dtype).tiny)
