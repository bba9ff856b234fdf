"""Attention over a path of events at real times, on a graph.

``softmax(<R(t_i) q_i, R(t_j) k_j> / sqrt(d) - |t_i - t_j| / tau_h + c_h(hops_ij)) v_j`` per head h:
rotation by time (Su et al. 2021), a learned decay over elapsed time (the idea of Sun et al. 2022)
and a learned bias by the shortest path between two nodes (Ying et al. 2021).

Letters: B batch, H heads, Nq queries, Nk keys, W width, d width of a head (W = H d).
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms.base import AttentionOutput, check_shapes, check_width, checked
from mechanisms.dot_product import join, matrix, mix, project, split
from mechanisms.registry import register
from mechanisms.rotary import Turn, rates, rotary_attention, rotary_weights, turn

_DAY_S = 86_400.0


@register("graph_rope")
class GraphRopeAttention(nn.Module):
    """Attention that sees when and how far apart; nothing to read answers exactly zero, no projection has a bias."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Sizes, time scales and start of the layer."""

        width: int = 64
        """W, of the query and of the output."""
        key_width: int = 64
        value_width: int = 64
        heads: int = 4
        shortest_s: float = 1.0
        """Seconds in which the fastest pair of coordinates turns by one radian."""
        longest_s: float = 90 * _DAY_S
        """What the pairs' seconds grow towards in equal ratios. 1 and 10,000 are the usual base at integer times."""
        decay_s: float = 30 * _DAY_S
        """Start of tau_h: elapsed seconds after which a key counts 1/e of what it did. Infinity: no decay, ever."""
        max_hops: int = 8
        """Paths at least this long share a bias."""
        causal: bool = True
        """Keys later than a query are not read."""
        max_len: int = 100
        """Longest sequence of keys."""
        seed: int = 0

        def build(self) -> GraphRopeAttention:
            """A layer with weights drawn from ``seed``."""
            return GraphRopeAttention(self)

    def __init__(self, config: Config) -> None:
        """Draw the weights.

        Raises:
            ValueError: if a head's width is not even and whole, or a time scale is not positive and in order.
        """
        super().__init__()
        _check_config(config)
        self.config = c = config
        rng = torch.Generator().manual_seed(c.seed)
        self.query_weight = matrix(c.width, c.width, rng)
        self.key_weight = matrix(c.width, c.key_width, rng)
        self.value_weight = matrix(c.width, c.value_width, rng)
        self.output_weight = matrix(c.width, c.width, rng)
        self.log_decay_s = nn.Parameter(torch.full((c.heads,), math.log(c.decay_s)))
        # By hops 0 .. max_hops, then without a path.
        self.hop_bias = nn.Parameter(torch.zeros(c.heads, c.max_hops + 2))
        # No buffer: a layer cast to float32 must keep its rates in float64.
        self.rate = rates(c.width // c.heads // 2, c.shortest_s, c.longest_s)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *,
        query_time: Tensor, key_time: Tensor, distance: Tensor | None = None, need_weights: bool = False,
    ) -> AttentionOutput:  # fmt: skip
        """Attend.

        Args:
            query: [B, Nq, W].
            key: [B, Nk, key_width], in any order of time.
            value: [B, Nk, value_width].
            mask: [B, Nk] boolean, True keeps.
            query_time: [B, Nq] float64, seconds since any moment.
            key_time: [B, Nk] float64, seconds since the same moment.
            distance: [B, Nq, Nk] integer hops on the graph, negative without a path; None for no graph.
            need_weights: whether to return the weights.

        Returns:
            Output [B, Nq, W]; weights [B, H, Nq, Nk] on request; no extras.

        Raises:
            ValueError: on shapes or dtypes that disagree, or more than ``max_len`` keys.
            RuntimeError: if the output is not finite.
        """
        self._check(query, key, value, mask)
        _check_times(query, key, query_time, key_time, distance)
        q = split(F.linear(query, self.query_weight), self.config.heads)
        k = split(F.linear(key, self.key_weight), self.config.heads)
        query_turn, key_turn = self._turns(query_time, key_time, query.dtype)
        bias = self._bias(query_time[:, :, None] - key_time[:, None], distance, mask)
        if need_weights or query.shape[1] == 1:  # Values are mixed first and projected after: far less work for one.
            weights = rotary_weights(q, k, query_turn, key_turn, bias)
            output = self._output(project(mix(weights, value), self.value_weight))
            return AttentionOutput(output, weights if need_weights else None)
        v = split(F.linear(value, self.value_weight), self.config.heads)
        return AttentionOutput(self._output(rotary_attention(q, k, v, query_turn, key_turn, bias)))

    def _turns(self, query_time: Tensor, key_time: Tensor, dtype: torch.dtype) -> tuple[Turn, Turn]:
        """The rotations of queries and keys; those of a path that reads itself are one."""
        # Only differences count, and counted from nearby they keep their digits.
        start, rate = query_time[:, :1], self.rate.to(query_time.device)
        by = turn((query_time - start)[:, None], rate, dtype)
        return by, by if key_time is query_time else turn((key_time - start)[:, None], rate, dtype)

    def _bias(self, elapsed: Tensor, distance: Tensor | None, mask: Tensor | None) -> Tensor:
        """What is added to the logits, [B, H, Nq, Nk], from elapsed seconds [B, Nq, Nk]."""
        slope = -torch.exp(-self.log_decay_s)
        # What is the same for all heads comes first: a pass over all of them costs H times as much.
        bias = self._hidden(elapsed, mask, slope.dtype)[:, None]
        if distance is not None:
            bias = bias + self._paths(distance)
        return torch.addcmul(bias, slope[:, None, None], elapsed.abs().to(slope.dtype)[:, None])

    def _paths(self, distance: Tensor) -> Tensor:
        """The learned bias of each pair's hops, [B, H, Nq, Nk]."""
        far, (b, n_q, _) = self.config.max_hops, distance.shape
        hops = torch.where(distance < 0, far + 1, distance.clamp(max=far)).long()
        table = self.hop_bias[None, :, None].expand(b, -1, n_q, -1)
        return table.gather(-1, hops[:, None].expand(-1, self.config.heads, -1, -1))

    def _hidden(self, elapsed: Tensor, mask: Tensor | None, dtype: torch.dtype) -> Tensor:
        """Minus infinity where a query may not read a key, else 0: [B, Nq, Nk]."""
        hidden = torch.zeros_like(elapsed, dtype=dtype)
        if self.config.causal:
            hidden.masked_fill_(elapsed < 0, -torch.inf)
        return hidden if mask is None else hidden.masked_fill_(~mask[:, None], -torch.inf)

    def _output(self, read: Tensor) -> Tensor:
        """[B, H, Nq, d] joined and projected."""
        return checked(F.linear(join(read), self.output_weight), "graph_rope")

    def _check(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        check_shapes(query, key, value, mask)
        check_width("query", query, self.config.width)
        check_width("key", key, self.config.key_width)
        check_width("value", value, self.config.value_width)
        if key.shape[1] > self.config.max_len:
            raise ValueError(f"key has shape {tuple(key.shape)}, {key.shape[1]} events; max_len {self.config.max_len}")


def naive(
    layer: GraphRopeAttention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, *,
    query_time: Tensor, key_time: Tensor, distance: Tensor,
) -> Tensor:  # fmt: skip
    """The definition, in float64, a number at a time: the oracle of ``forward``; [B, Nq, W]."""
    c, d = layer.config, layer.config.width // layer.config.heads
    scales = [c.shortest_s * (c.longest_s / c.shortest_s) ** (2 * i / d) for i in range(d // 2)]
    rows = []
    for b in range(query.shape[0]):
        for i in range(query.shape[1]):
            pieces = []
            for h in range(c.heads):
                part = slice(h * d, (h + 1) * d)
                q = layer.query_weight[part].double() @ query[b, i].double()
                logits, values = [], []
                for j in range(key.shape[1]):
                    elapsed = float(query_time[b, i] - key_time[b, j])
                    if not mask[b, j] or (c.causal and elapsed < 0):
                        continue
                    k = layer.key_weight[part].double() @ key[b, j].double()
                    turned = [cmath.exp(-1j * elapsed / scale) for scale in scales]
                    score = sum(
                        (torch.complex(q[p], -q[p + d // 2]) * torch.complex(k[p], k[p + d // 2]) * turned[p]).real
                        for p in range(d // 2)
                    )
                    hops = int(distance[b, i, j])
                    bias = layer.hop_bias[h, c.max_hops + 1 if hops < 0 else min(hops, c.max_hops)].double()
                    decay = abs(elapsed) / layer.log_decay_s[h].double().exp()
                    logits.append(score / math.sqrt(d) - decay + bias)
                    values.append(layer.value_weight[part].double() @ value[b, j].double())
                nothing = torch.zeros(d, dtype=torch.float64)
                pieces.append(torch.softmax(torch.stack(logits), 0) @ torch.stack(values) if logits else nothing)
            rows.append(layer.output_weight.double() @ torch.cat(pieces))
    return torch.stack(rows).view(*query.shape[:2], c.width)


def _check_config(config: GraphRopeAttention.Config) -> None:
    if config.heads < 1 or config.width % (2 * config.heads):
        raise ValueError(f"width {config.width} is not an even multiple of {config.heads} heads")
    if not 0 < config.shortest_s <= config.longest_s < math.inf:
        raise ValueError(f"0 < shortest_s <= longest_s does not hold of {config.shortest_s} and {config.longest_s}")
    if not config.decay_s > 0:
        raise ValueError(f"decay_s {config.decay_s} is not positive")
    if config.max_hops < 0:
        raise ValueError(f"max_hops {config.max_hops} is negative")


def _check_times(query: Tensor, key: Tensor, query_time: Tensor, key_time: Tensor, distance: Tensor | None) -> None:
    for name, time, rows in (("query_time", query_time, query), ("key_time", key_time, key)):
        if time.shape != rows.shape[:2]:
            raise ValueError(f"{name} has shape {tuple(time.shape)}, expected {tuple(rows.shape[:2])}")
        if time.dtype != torch.float64:
            raise ValueError(f"{name} has dtype {time.dtype}, expected torch.float64: float32 loses minutes of a date")
    if distance is None:
        return
    expected = (*query.shape[:2], key.shape[1])
    if distance.shape != expected:
        raise ValueError(f"distance has shape {tuple(distance.shape)}, expected {expected}")
    if distance.is_floating_point():
        raise ValueError(f"distance has dtype {distance.dtype}, expected whole hops, such as torch.int64")
