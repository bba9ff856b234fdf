"""Linear attention with a state per stream: each event costs the same, however long the history is.

Per head the gated delta rule (Yang et al. 2024) on unit-length keys and queries,
``S_t = a_t (I - b_t k_t k_t^T) S_{t-1} + b_t k_t v_t^T``, ``o_t = S_t^T q_t``, with the kept
share a_t and the written share b_t, both in (0, 1), from the event itself.

Letters: B batch, H heads, N events, W width, K key features and V value features of a head (W = H V).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms.base import AttentionOutput, check_shapes, check_width, checked
from mechanisms.delta_rule import chunked, read_weights, update
from mechanisms.dot_product import join, matrix
from mechanisms.registry import register


@register("linear")
class LinearAttention(nn.Module):
    """Event t writes its value under its key, then its query reads; a masked event writes and forgets nothing."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Sizes and start of the layer."""

        width: int = 64
        """W, of the query and of the output."""
        key_width: int = 64
        value_width: int = 64
        heads: int = 4
        kernel_size: int = 16
        """K: how many keys a head can hold apart."""
        memory: float = 100.0
        """Events after which about 1/e is left of what was written, at the start: a = memory / (1 + memory)."""
        chunk: int = 64
        """Events worked on together in ``forward``; its cost is the number of steps, one a chunk."""
        seed: int = 0

        def build(self) -> LinearAttention:
            """A layer with weights drawn from ``seed``."""
            return LinearAttention(self)

    def __init__(self, config: Config) -> None:
        """Draw the weights.

        Raises:
            ValueError: if the heads do not divide the width, or a size is not positive.
        """
        super().__init__()
        if config.heads < 1 or config.width % config.heads:
            raise ValueError(f"width {config.width} is not a multiple of {config.heads} heads")
        for name in ("kernel_size", "memory", "chunk"):
            if getattr(config, name) <= 0:
                raise ValueError(f"{name} {getattr(config, name)} is not positive")
        self.config = c = config
        rng = torch.Generator().manual_seed(c.seed)
        features = c.heads * c.kernel_size
        self.query_weight = matrix(features, c.width, rng)
        # Rows: the keys of all heads, then their logits of a, then of b; one product an event.
        self.key_weight = matrix(features + 2 * c.heads, c.key_width, rng)
        self.value_weight = matrix(c.width, c.value_width, rng)
        self.output_weight = matrix(c.width, c.width, rng)
        # Gates alone have a bias: without it an event would forget half. A masked row is zero all the same.
        self.gate_bias = nn.Parameter(torch.tensor([math.log(c.memory), 0.0]).repeat_interleave(c.heads))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *,
        state: Tensor | None = None, need_weights: bool = False,
    ) -> AttentionOutput:  # fmt: skip
        """A stretch of a stream, all events at once; the same as ``step`` event by event.

        Args:
            query: [B, N, W], one an event.
            key: [B, N, key_width].
            value: [B, N, value_width].
            mask: [B, N] boolean, False for events that leave the state alone; their queries still read.
            state: [B, H, K, V] before the first event; None for an empty one.
            need_weights: whether to return the weights.

        Returns:
            Output [B, N, W]; on request weights [B, H, N, N], what each output holds of each value of this
            stretch (of either sign; see ``read_weights``); extras ``state`` [B, H, K, V] after the last event.

        Raises:
            ValueError: on shapes that disagree.
            RuntimeError: if the output is not finite.
        """
        self._check(query, key, value, mask, state)
        q, k, v, gates = self._project(query, key, value)
        q, k, v, gates = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), gates.movedim(1, -1)
        log_keep, write = F.logsigmoid(gates[:, 0]), gates[:, 1].sigmoid()  # [B, H, N]
        if mask is not None:
            log_keep, write = log_keep * mask[:, None], write * mask[:, None]
        before = self.initial_state(len(query)) if state is None else state
        read, after = chunked(q, k, v, log_keep, write, before, self.config.chunk)
        output = checked(F.linear(join(read), self.output_weight), "linear")
        weights = read_weights(q, k, log_keep, write) if need_weights else None
        return AttentionOutput(output, weights, {"state": after})

    def step(self, query: Tensor, key: Tensor, value: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One event of each stream.

        Args:
            query: [B, W].
            key: [B, key_width].
            value: [B, value_width].
            state: [B, H, K, V], left as it is.

        Returns:
            Output [B, W] and the next state [B, H, K, V].

        Raises:
            ValueError: on shapes that disagree.
            RuntimeError: if the output is not finite.
        """
        self._check_state(state, len(query))
        q, k, v, gates = self._project(query, key, value)
        keep, write = gates.sigmoid()[..., None, None].unbind(1)  # [B, H, 1, 1]
        read, state = update(state, q.unsqueeze(2), k.unsqueeze(2), v.unsqueeze(2), keep, write)
        return checked(F.linear(read.flatten(1), self.output_weight), "linear"), state

    def initial_state(self, batch: int) -> Tensor:
        """The empty state [B, H, K, V]."""
        c = self.config
        return self.gate_bias.new_zeros(batch, c.heads, c.kernel_size, c.width // c.heads)

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[..., W] to unit queries and keys [..., H, K], values [..., H, V] and logits of a and b [..., 2, H]."""
        c, rows = self.config, query.shape[:-1]
        both, features = F.linear(key, self.key_weight), c.heads * c.kernel_size
        # One normalisation for queries and keys: of one event, calls cost more than numbers.
        joined = torch.cat([F.linear(query, self.query_weight), both[..., :features]], dim=-1)
        q, k = F.normalize(joined.view(*rows, 2, c.heads, c.kernel_size), dim=-1).unbind(-3)
        gates = (both[..., features:] + self.gate_bias).view(*rows, 2, c.heads)
        return q, k, F.linear(value, self.value_weight).view(*rows, c.heads, -1), gates

    def _check(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, state: Tensor | None) -> None:
        check_shapes(query, key, value, mask)
        check_width("query", query, self.config.width)
        check_width("key", key, self.config.key_width)
        check_width("value", value, self.config.value_width)
        if query.shape[1] != key.shape[1]:
            raise ValueError(f"query {tuple(query.shape)} and key {tuple(key.shape)} differ in events")
        if state is not None:
            self._check_state(state, len(query))

    def _check_state(self, state: Tensor, batch: int) -> None:
        c = self.config
        expected = (batch, c.heads, c.kernel_size, c.width // c.heads)
        if state.shape != expected:
            raise ValueError(f"state has shape {tuple(state.shape)}, expected {expected}")


def naive(layer: LinearAttention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, state: Tensor) -> Tensor:
    """The quadratic form, in float64, each pair of events by itself: the oracle of ``forward``; [B, N, W].

    What event i wrote, b_i k_i, is carried through the transitions of all later events to the query
    of event t; so is each feature of the state before the first event.
    """
    c, eye = layer.config, torch.eye(layer.config.kernel_size, dtype=torch.float64)
    rows = []
    for b in range(query.shape[0]):
        for t in range(query.shape[1]):
            pieces = []
            for h in range(c.heads):
                carried = _unit(layer.query_weight.double(), query[b, t].double(), h, c)
                read = torch.zeros(c.width // c.heads, dtype=torch.float64)
                for i in range(t, -1, -1):
                    if mask[b, i]:
                        k, keep, write = _event(layer, key[b, i].double(), h)
                        v = layer.value_weight.double().view(c.heads, -1, c.value_width)[h] @ value[b, i].double()
                        read = read + write * (carried @ k) * v
                        carried = keep * (eye - write * torch.outer(k, k)) @ carried
                pieces.append(read + carried @ state[b, h].double())
            rows.append(layer.output_weight.double() @ torch.cat(pieces))
    return torch.stack(rows).view(query.shape[0], query.shape[1], c.width)


def _event(layer: LinearAttention, key: Tensor, head: int) -> tuple[Tensor, Tensor, Tensor]:
    """Unit key [K], kept and written share [] of one event."""
    c, weight = layer.config, layer.key_weight.double()
    k = _unit(weight, key, head, c)
    logits = weight[c.heads * c.kernel_size :] @ key + layer.gate_bias.double()
    return k, logits[head].sigmoid(), logits[c.heads + head].sigmoid()


def _unit(weight: Tensor, x: Tensor, head: int, config: LinearAttention.Config) -> Tensor:
    return F.normalize(weight[head * config.kernel_size : (head + 1) * config.kernel_size] @ x, dim=0)
