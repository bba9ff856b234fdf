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

_CHUNKS = 8
"""Chunks worked on at a time: what they need stays in the cache, however long the sequence."""
_SHORTEST = 1e-12
"""A row shorter than this is not made a unit: zeros stay zeros."""


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
        """Events solved together in ``forward``; its cost is the number of steps, one a chunk."""
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
        after = self.initial_state(len(query)) if state is None else state
        size, outputs = _CHUNKS * self.config.chunk, []
        for first in range(0, query.shape[1], size):
            part = slice(first, first + size)
            kept = None if mask is None else mask[:, part]
            rows = self._rows(query[:, part], key[:, part], value[:, part], kept)
            read, after = chunked(*rows, after, self.config.chunk)
            outputs.append(F.linear(join(read), self.output_weight))
        weights = self._weights(query, key, value, mask) if need_weights else None
        return AttentionOutput(checked(torch.cat(outputs, dim=1), "linear"), weights, {"state": after})

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
        joined, v, gates = self._project(query, key, value)
        memories = state.flatten(0, 1)
        many = len(memories)
        q, k = _unit(joined.view(2, many, 1, -1)).unbind()
        keep, write = gates.sigmoid().chunk(2, dim=-1)
        read, after = update(memories, q, k, v.view(many, 1, -1), keep.reshape(many, 1, 1), write.reshape(many, 1, 1))
        return checked(F.linear(read.view_as(query), self.output_weight), "linear"), after.view_as(state)

    def initial_state(self, batch: int) -> Tensor:
        """The empty state [B, H, K, V]."""
        c = self.config
        return self.gate_bias.new_zeros(batch, c.heads, c.kernel_size, c.width // c.heads)

    def _weights(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        q, k, _, log_keep, write = self._rows(query, key, value, mask)
        return read_weights(q, k, log_keep, write)

    def _rows(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What ``chunked`` takes: queries and keys [B, H, N, K], values [B, H, N, V], log a and b [B, H, N]."""
        joined, v, gates = self._project(query, key, value)
        q, k = _unit(torch.unflatten(joined, -1, (self.config.heads, -1))).transpose(2, 3).unbind()
        keep, write = gates.transpose(1, 2).chunk(2, dim=1)
        log_keep, write = F.logsigmoid(keep), write.sigmoid()
        if mask is not None:
            log_keep, write = log_keep * mask[:, None], write * mask[:, None]
        return q, k, torch.unflatten(v, -1, (self.config.heads, -1)).transpose(1, 2), log_keep, write

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[..., W] to queries and keys [2, ..., H K], values [..., W] and logits of a and b [..., 2 H]."""
        features, both = self.config.heads * self.config.kernel_size, F.linear(key, self.key_weight)
        # Queries and keys go on together: of one event, calls cost more than numbers.
        joined = torch.stack([F.linear(query, self.query_weight), both[..., :features]])
        return joined, F.linear(value, self.value_weight), both[..., features:] + self.gate_bias

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
                carried = _direction(layer.query_weight.double(), query[b, t].double(), h, c)
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


def _unit(x: Tensor) -> Tensor:
    """Rows of length 1; ``F.normalize`` in fewer calls, which cost more than the numbers of one event."""
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / length.clamp_min(_SHORTEST)


def _event(layer: LinearAttention, key: Tensor, head: int) -> tuple[Tensor, Tensor, Tensor]:
    """Unit key [K], kept and written share [] of one event."""
    c, weight = layer.config, layer.key_weight.double()
    k = _direction(weight, key, head, c)
    logits = weight[c.heads * c.kernel_size :] @ key + layer.gate_bias.double()
    return k, logits[head].sigmoid(), logits[c.heads + head].sigmoid()


def _direction(weight: Tensor, x: Tensor, head: int, config: LinearAttention.Config) -> Tensor:
    return F.normalize(weight[head * config.kernel_size : (head + 1) * config.kernel_size] @ x, dim=0)
