"""Mixture-of-experts attention: a query reads a few experts, and each expert has its own weights.

Router logits are ``<W_q x, W_k k_e> / sqrt(r) + w_e x``; the best ``top_k`` experts answer with
renormalised gates; an expert answers at most its capacity, and what overflows goes to a shared
expert.  Losses: balance ``E sum_e f_e P_e`` (Fedus et al. 2021), router z-loss (Zoph et al. 2022).

Letters: B batch, N queries, D width of the query, E experts, Dk and Dv widths of key and value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms.base import AttentionOutput, check_shapes, check_width
from mechanisms.registry import register
from mechanisms.routing import balance_loss, route, within_capacity, z_loss


@register("moe")
class MixtureOfExperts(nn.Module):
    """Expert e answers ``W2_e gelu(W1_e [x; v_e])`` where v_e is what it brings to this row."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Sizes and start of the layer."""

        width: int = 64
        """D, of the query and of the output."""
        key_width: int = 64
        value_width: int = 64
        experts: int = 4
        hidden: int = 128
        """Inner width of an expert."""
        router_width: int = 32
        top_k: int = 2
        capacity_factor: float = 1.25
        """An expert answers at most ``ceil(factor N top_k / E)`` queries of a row."""
        seed: int = 0

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
        self.router_query = _draw((c.router_width, c.width), rng)
        self.router_key = _draw((c.router_width, c.key_width), rng)
        self.router_direct = _draw((c.experts, c.width), rng)
        # The last expert is the shared one: it reads the query alone.
        self.inner = _draw((c.experts + 1, c.hidden, c.width + c.value_width), rng)
        self.outer = _draw((c.experts + 1, c.width, c.hidden), rng)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Route each query and answer it.

        Args:
            query: [B, N, D].
            key: [B, E, Dk], what describes the experts to the router.
            value: [B, E, Dv], what the experts bring.
            mask: [B, E] boolean, the experts a row may use; none allowed answers zero.

        Returns:
            Output [B, N, D]; weights [B, N, E], the router's full softmax; extras ``gates`` and
            ``kept`` [B, N, E] (kept False on a positive gate went to the shared expert),
            ``balance_loss`` and ``z_loss`` [].

        Raises:
            ValueError: on shapes that disagree.
        """
        self._check(query, key, value, mask)
        logits = self.logits(query, key)
        allowed = _allowed(logits, mask)
        probabilities, gates = route(logits, allowed, self.config.top_k)
        kept = within_capacity(gates, self._capacity(query.shape[1], allowed))
        extras = {
            "gates": gates,
            "kept": kept,
            "balance_loss": balance_loss(probabilities, gates, allowed),
            "z_loss": z_loss(logits, allowed),
        }
        return AttentionOutput(self._dispatch(query, value, gates, kept), probabilities, extras)

    def logits(self, query: Tensor, key: Tensor) -> Tensor:
        """Router logits [B, N, E]: attention over expert keys plus a direct linear term."""
        q = F.linear(query, self.router_query)
        k = F.linear(key, self.router_key)
        return q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + F.linear(query, self.router_direct)

    def expert(self, index: int, query: Tensor, value: Tensor) -> Tensor:
        """Answer of one expert: query [n, D], value [n, Dv] to [n, D]; the last index is shared."""
        hidden = F.gelu(F.linear(torch.cat([query, value], dim=-1), self.inner[index]))
        return F.linear(hidden, self.outer[index])

    def _check(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        check_shapes(query, key, value, mask)
        check_width("query", query, self.config.width)
        check_width("key", key, self.config.key_width)
        check_width("value", value, self.config.value_width)
        if key.shape[1] != self.config.experts:
            expected = (key.shape[0], self.config.experts, key.shape[2])
            raise ValueError(f"key has shape {tuple(key.shape)}, expected {expected}")

    def _capacity(self, queries: int, allowed: Tensor) -> Tensor:
        """Queries an expert may answer in each row, [B, 1, 1]; per row, so batch equals loop."""
        count = allowed.sum(-1, keepdim=True).clamp_min(1)
        load = queries * count.clamp_max(self.config.top_k) / count
        return torch.ceil(self.config.capacity_factor * load)

    def _dispatch(self, query: Tensor, value: Tensor, gates: Tensor, kept: Tensor) -> Tensor:
        """Run each expert on its own queries only, and the shared one on what overflowed."""
        output = torch.zeros_like(query)
        spill = (gates * ~kept).sum(-1)
        for e in range(self.config.experts):
            at = b, n = kept[..., e].nonzero(as_tuple=True)
            answer = gates[b, n, e, None] * self.expert(e, query[b, n], value[b, e])
            output = output.index_put(at, answer, accumulate=True)
        at = b, n = spill.nonzero(as_tuple=True)
        nothing = value.new_zeros(len(b), value.shape[-1])
        answer = spill[b, n, None] * self.expert(self.config.experts, query[b, n], nothing)
        return output.index_put(at, answer, accumulate=True)


def naive(layer: MixtureOfExperts, query: Tensor, value: Tensor, gates: Tensor, kept: Tensor) -> Tensor:
    """Every expert on every query, then gated: the oracle of the dispatch; [B, N, D]."""
    b, n, _ = query.shape
    rows = query.flatten(0, 1)
    shared = layer.expert(layer.config.experts, rows, value.new_zeros(b * n, value.shape[-1]))
    output = (gates * ~kept).sum(-1, keepdim=True) * shared.view(b, n, -1)
    for e in range(layer.config.experts):
        brought = value[:, e, None].expand(-1, n, -1).flatten(0, 1)
        answer = layer.expert(e, rows, brought).view(b, n, -1)
        output = output + (gates * kept)[..., e, None] * answer
    return output


def _allowed(logits: Tensor, mask: Tensor | None) -> Tensor:
    """The mask for every query, [B, N, E]."""
    if mask is None:
        return torch.ones_like(logits, dtype=torch.bool)
    return mask[:, None].expand_as(logits)


def _draw(shape: tuple[int, ...], rng: torch.Generator) -> nn.Parameter:
    """Normal with variance 1/fan-in."""
    return nn.Parameter(torch.randn(*shape, generator=rng) / math.sqrt(shape[-1]))
