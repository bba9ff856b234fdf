"""The gated delta rule: a memory that forgets, corrects itself and has one size for ever.

``S_t = a_t (I - b_t k_t k_t^T) S_{t-1} + b_t k_t v_t^T`` and ``o_t = S_t^T q_t`` (Yang et al. 2024):
what the memory says of the key k_t is moved by the share b_t towards v_t, after all of it fell by a_t.

Three forms of it: event by event (``update``), in chunks (``chunked``) and as one matrix that
says how much of each value each output holds (``read_weights``).

Letters: B batch, H heads, S memories, N events, K and V widths of a key and a value, M chunks of C events.
Keys [B, H, N, K] have unit or zero length; ``log_keep`` (log a) and ``write`` (b) are [B, H, N].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def update(
    state: Tensor, query: Tensor, key: Tensor, value: Tensor, keep: Tensor, write: Tensor
) -> tuple[Tensor, Tensor]:
    """One event of each memory, in a time and a size that no history changes.

    Args:
        state: [S, K, V], S memories of any streams and heads, left as it is.
        query: [S, 1, K].
        key: [S, 1, K].
        value: [S, 1, V].
        keep: a, [S, 1, 1].
        write: b, [S, 1, 1].

    Returns:
        What is read [S, 1, V] and the next state [S, K, V].
    """
    kept = keep * state
    correction = write * (value - torch.bmm(key, kept))
    state = torch.addcmul(kept, key.mT, correction)
    return torch.bmm(query, state), state


def chunked(
    query: Tensor, key: Tensor, value: Tensor, log_keep: Tensor, write: Tensor, state: Tensor, chunk: int
) -> tuple[Tensor, Tensor]:
    """All events at once: dense algebra within chunks of ``chunk`` events, one small product between chunks.

    Within a chunk the corrections ``u_t = b_t (v_t - a_t S_{t-1}^T k_t)`` solve a unit triangular
    system, ``(I + A) U = b V - b g K S_0`` with ``A_ti = b_t <k_t, k_i> g_t / g_i`` for i < t and
    ``g_t = a_1 ... a_t``.  It is solved for both right sides before S_0 is known, so that a chunk
    acts on the state as ``S_C = M S_0 + D`` with M [K, K].

    Args:
        query: [B, H, N, K].
        key: [B, H, N, K].
        value: [B, H, N, V].
        log_keep: [B, H, N], at most 0.
        write: [B, H, N].
        state: [B, H, K, V].
        chunk: C; changes the time and the memory, not the result.

    Returns:
        What is read [B, H, N, V] and the state [B, H, K, V] after the last event.
    """
    q, k, v = (_chunks(x, chunk) for x in (query, key, value))  # [B, H, M, C, .]
    b, g = _chunks(write[..., None], chunk), _chunks(log_keep[..., None], chunk).cumsum(-2)  # [B, H, M, C, 1]
    since = _since(g.squeeze(-1))
    solved = _solve(k, b, since, torch.cat([b * v, b * g.exp() * k], dim=-1))
    values, keys = solved[..., : v.shape[-1]], solved[..., v.shape[-1] :]
    carried = (k * (g[..., -1:, :] - g).exp()).transpose(-1, -2)  # what of each key is left at the chunk's end
    moves = torch.eye(k.shape[-1], dtype=k.dtype, device=k.device) * g[..., -1:, :].exp() - carried @ keys
    states, last = _scan(state, moves, carried @ values)
    read = g.exp() * (q @ states) + (since * (q @ k.transpose(-1, -2))) @ (values - keys @ states)
    return read.flatten(2, 3)[:, :, : query.shape[2]], last


def read_weights(query: Tensor, key: Tensor, log_keep: Tensor, write: Tensor) -> Tensor:
    """How much of value i output t holds, [B, H, N, N], from an empty memory: ``o_t = sum_i w_ti v_i``.

    Below the diagonal and on it; of either sign, since a later event on the same key takes back what
    an earlier one wrote; they need not sum to 1.
    """
    since = _since(log_keep.cumsum(-1))
    written = _solve(key, write[..., None], since, torch.diag_embed(write))
    return (since * (query @ key.transpose(-1, -2))) @ written


def _since(g: Tensor) -> Tensor:
    """``a_{i+1} ... a_t`` at [t, i], 0 above the diagonal, from log sums g [..., C].

    Each is one exponential of a difference that is at most 0: a quotient of two products would be 0/0 in long chunks.
    """
    later = torch.ones(g.shape[-1], g.shape[-1], dtype=torch.bool, device=g.device).triu(1)
    return (g[..., :, None] - g[..., None, :]).masked_fill(later, -torch.inf).exp()


def _solve(key: Tensor, write: Tensor, since: Tensor, right: Tensor) -> Tensor:
    """X of ``(I + A) X = right``, all chunks at once; the solver reads A below its diagonal alone."""
    lower = write * since * (key @ key.transpose(-1, -2))
    solved: Tensor = torch.linalg.solve_triangular(lower, right, upper=False, unitriangular=True)
    return solved


def _scan(state: Tensor, moves: Tensor, adds: Tensor) -> tuple[Tensor, Tensor]:
    """States [B, H, M, K, V] before each chunk, and the one after the last."""
    current, states = state.flatten(0, 1), []
    for move, add in zip(moves.flatten(0, 1).unbind(1), adds.flatten(0, 1).unbind(1), strict=True):
        states.append(current)
        current = torch.baddbmm(add, move, current)
    return torch.stack(states, dim=1).view(adds.shape), current.view(state.shape)


def _chunks(x: Tensor, chunk: int) -> Tensor:
    """[B, H, N, .] to [B, H, M, C, .]; zeros fill the last, which write and forget nothing."""
    size = min(chunk, x.shape[2])
    padded = F.pad(x, (0, 0, 0, -x.shape[2] % size))
    return padded.reshape(*x.shape[:2], -1, size, x.shape[3])
