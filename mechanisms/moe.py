"""Mixture of attention experts: each query is read for by a few heads that a router chooses for it.

An expert is an attention head with all its own weights, so that experts can look for different things and say
different things (Zhang et al. 2022, Mixture of Attention Heads).  With gates g of the best ``top_k`` experts,

    y = sum_e g_e softmax(x Q_e K_e k^T / sqrt(d)) v V_e O_e.

An expert answers at most its capacity, strongest gates first; what overflows goes to a shared expert (Fedus et al.
2021; Dai et al. 2024).  ``x Q_e K_e`` is a query over the keys as they are, and the values are mixed as they are and
mapped once after it: neither keys nor values are projected.

Letters: B batch, N queries, Nk keys, E experts, C capacity, D width, Dk and Dv widths of key and value, d of an expert.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms.base import AttentionOutput, check_shapes, check_width, checked, masked_softmax
from mechanisms.registry import register
from mechanisms.routing import balance_loss, capacity, route, routed, z_loss


@register("moe")
class MixtureOfExperts(nn.Module):
    """A router, E experts and a shared one; no bias, so a fully masked row answers exactly zero."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Sizes and start of the layer."""

        width: int = 64
        """D, of the query and of the output."""
        key_width: int = 64
        """Dk, of the keys."""
        value_width: int = 64
        """Dv, of the values."""
        experts: int = 4
        """E, without the shared one."""
        expert_width: int = 16
        """d, the width in which an expert compares a query with keys and carries what it read."""
        top_k: int = 2
        """Experts that answer a query. At 1 the gate is the probability: one that is always 1 would train no router."""
        capacity_factor: float = 1.25
        """An expert answers at most ``ceil(factor N top_k / E)`` queries of a row of the batch."""
        seed: int = 0
        """Of the weights."""

        def build(self) -> MixtureOfExperts:
            """A layer with weights drawn from ``seed``."""
            return MixtureOfExperts(self)

    def __init__(self, config: Config) -> None:
        """Draw the weights.

        Raises:
            ValueError: if ``top_k`` is not in 1..experts.
        """
        super().__init__()
        if not 1 <= config.top_k <= config.experts:
            raise ValueError(f"top_k {config.top_k} is not in 1..{config.experts} experts")
        self.config = c = config
        rng = torch.Generator().manual_seed(c.seed)
        self.router = _draw((c.width, c.experts), rng)
        # The last expert is the shared one.
        self.query_weight = _draw((c.experts + 1, c.width, c.expert_width), rng)
        self.key_weight = _draw((c.experts + 1, c.expert_width, c.key_width), rng, fan_in=c.key_width)
        self.value_weight = _draw((c.experts + 1, c.value_width, c.expert_width), rng)
        self.output_weight = _draw((c.experts + 1, c.expert_width, c.width), rng)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *, need_weights: bool = False
    ) -> AttentionOutput:
        """Route each query and answer it.

        Args:
            query: [B, N, D].
            key: [B, Nk, Dk].
            value: [B, Nk, Dv].
            mask: [B, Nk] boolean, True keeps.
            need_weights: also answer ``weights``, ``served`` and ``loads``.

        Returns:
            Output [B, N, D]; weights [B, N, Nk], those of a query's experts mixed by its gates.  Extras, always:
            ``gates`` [B, N, E].  In training mode: ``balance_loss`` and ``z_loss`` [], to be added to a loss.  On
            request: ``served`` [B, N, E], the gates within capacity, and ``loads`` [B, E], queries of each expert.

        Raises:
            ValueError: on shapes that disagree.
            RuntimeError: if the output is not finite.
        """
        check_shapes(query, key, value, mask)
        check_width("query", query, self.config.width)
        check_width("key", key, self.config.key_width)
        check_width("value", value, self.config.value_width)
        logits = query @ self.router
        probabilities, gates = route(logits, None, self.config.top_k)
        if self.config.top_k == 1:
            gates = gates * probabilities

        def experts(asked: Tensor) -> Tensor:
            return self._answer(asked, key, value, mask, slice(0, self.config.experts), need_weights)

        def shared(asked: Tensor) -> Tensor:
            return self._answer(asked, key, value, mask, slice(self.config.experts, None), need_weights)

        c = self.config
        places = capacity(c.capacity_factor, query.shape[1], c.top_k, c.experts)
        answer, served = routed(query, gates, places, experts, shared)
        extras = {"gates": gates}
        if self.training:
            extras |= {"balance_loss": balance_loss(probabilities, gates), "z_loss": z_loss(logits)}
        if not need_weights:
            return AttentionOutput(checked(answer, "moe"), None, extras)
        extras |= {"served": served, "loads": (served > 0).sum(1)}
        return AttentionOutput(checked(answer[..., : c.width], "moe"), answer[..., c.width :], extras)

    def _answer(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, which: slice, need_weights: bool
    ) -> Tensor:
        """Experts ``which`` [e] on their queries [e, B, C, D]: [e, B, C, D], with the weights behind on request."""
        e, b, c, _ = query.shape
        ask = (query.flatten(1, 2) @ self.query_weight[which]) @ self.key_weight[which]  # [e, B C, Dk]
        ask = ask.view(e, b, c, -1).transpose(0, 1).flatten(1, 2)
        mixed = read(ask, key, value, mask, scale=1 / math.sqrt(self.config.expert_width), need_weights=need_weights)
        mixed = mixed.view(b, e, c, -1).transpose(0, 1).flatten(1, 2)  # [e, B C, Dv]
        said = (mixed[..., : value.shape[-1]] @ self.value_weight[which]) @ self.output_weight[which]
        whole = torch.cat([said, mixed[..., value.shape[-1] :]], dim=-1) if need_weights else said
        return whole.view(e, b, c, -1)


def read(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, scale: float, need_weights: bool = False
) -> Tensor:
    """Softmax attention without projections; a row with no key kept reads zero.

    Args:
        query: [B, M, Dk].
        key: [B, Nk, Dk].
        value: [B, Nk, Dv].
        mask: [B, Nk] boolean, or None.
        scale: of the inner products.
        need_weights: append the weights to what is read.

    Returns:
        [B, M, Dv], or [B, M, Dv + Nk] with the weights.
    """
    kept = None if mask is None else mask[:, None]
    if not need_weights:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=kept, scale=scale)
    weights = masked_softmax(scale * (query @ key.transpose(-1, -2)), kept)
    return torch.cat([weights @ value, weights], dim=-1)


def naive(
    layer: MixtureOfExperts, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The definition, in float64, one row, query and expert at a time: the oracle of ``forward``.

    Args:
        layer: whose weights are used.
        query: [B, N, D].
        key: [B, Nk, Dk].
        value: [B, Nk, Dv].
        mask: [B, Nk] boolean.

    Returns:
        Output [B, N, D] and gates [B, N, E] in float64.
    """
    c = layer.config
    gates = torch.zeros(*query.shape[:2], c.experts).double()
    for b in range(query.shape[0]):
        for i in range(query.shape[1]):
            p = torch.softmax(query[b, i].double() @ layer.router.double(), 0)
            best = sorted(range(c.experts), key=lambda e: -p[e].item())[: c.top_k]
            gates[b, i, best] = p[best] if c.top_k == 1 else p[best] / p[best].sum()
    output = torch.zeros(query.shape).double()
    places = capacity(c.capacity_factor, query.shape[1], c.top_k, c.experts)
    for b in range(query.shape[0]):
        kept = [j for j in range(key.shape[1]) if mask is None or mask[b, j]]
        for e in range(c.experts) if kept else ():
            chose = [i for i in range(query.shape[1]) if gates[b, i, e] > 0]
            for place, i in enumerate(sorted(chose, key=lambda i: -gates[b, i, e].item())):
                who = e if place < places else c.experts
                output[b, i] += gates[b, i, e] * _expert(layer, who, query[b, i], key[b, kept], value[b, kept])
    return output, gates


def _expert(layer: MixtureOfExperts, e: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """One expert on one query [D] with keys [n, Dk] and values [n, Dv], every projection made: [D]."""
    w = (layer.query_weight, layer.key_weight, layer.value_weight, layer.output_weight)
    w_q, w_k, w_v, w_o = (each[e].double() for each in w)
    logits = (key.double() @ w_k.T) @ (query.double() @ w_q) / math.sqrt(layer.config.expert_width)
    return torch.softmax(logits, 0) @ (value.double() @ w_v) @ w_o


def _draw(shape: tuple[int, ...], rng: torch.Generator, fan_in: int = 0) -> nn.Parameter:
    """Normal with variance 1/fan-in, by default the next to last axis."""
    return nn.Parameter(torch.randn(*shape, generator=rng) / math.sqrt(fan_in or shape[-2]))
