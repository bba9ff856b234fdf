"""Rotation by real times: an oracle by matrix exponential, and the laws of RoPE."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mechanisms.rotary import Turn, rates, rotary_attention, rotary_weights, rotate, rotate_back, turn

F64 = torch.float64


def _draw(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def _generator(width: int, base: float) -> Tensor:
    """The skew matrix G [width, width] whose exponential exp(t G) turns a row to position t, from RoPE's paper."""
    generator = torch.zeros(width, width, dtype=F64)
    for i in range(width // 2):
        rate = base ** (-2 * i / width)
        generator[i + width // 2, i], generator[i, i + width // 2] = rate, -rate
    return generator


def test_integer_positions_turn_as_the_matrix_exponential_of_rope_says() -> None:
    """With 1 and 10,000 the bank is RoPE's base 10,000: rows at 0 .. 8 equal exp(t G) x."""
    x, position = _draw(9, 10), torch.arange(9, dtype=F64)
    expected = torch.stack(
        [torch.matrix_exp(t * _generator(10, 10_000.0)) @ row for t, row in zip(position, x, strict=True)]
    )
    torch.testing.assert_close(
        rotate(x, turn(position, rates(5, 1.0, 10_000.0), F64)), expected, rtol=1e-12, atol=1e-12
    )


def test_lengths_stay_and_turning_back_undoes() -> None:
    """A rotation is orthogonal, at seconds as at months."""
    x = _draw(6, 8)
    by = turn(torch.tensor([0.0, 1.0, 60.0, 3600.0, 86_400.0, 7_776_000.0], dtype=F64), rates(4, 1.0, 7_776_000.0), F64)
    torch.testing.assert_close(rotate(x, by).norm(dim=-1), x.norm(dim=-1), rtol=1e-14, atol=0)
    torch.testing.assert_close(rotate_back(rotate(x, by), by), x, rtol=1e-13, atol=1e-13)


def test_a_score_depends_on_elapsed_time_alone() -> None:
    """<R(t) q, R(s) k> is the same for all pairs as far apart."""
    q, k, rate = _draw(1, 8), _draw(1, 8, seed=4), rates(4, 1.0, 1e6)
    time = torch.tensor([[0.0], [5.0], [1e5]], dtype=F64)
    scores = [(rotate(q, turn(t, rate, F64)) * rotate(k, turn(t - 77.5, rate, F64))).sum() for t in time]
    torch.testing.assert_close(torch.stack(scores), scores[0].expand(3), rtol=1e-9, atol=1e-9)


def test_rates_fall_in_equal_ratios() -> None:
    """From one radian in the shortest time towards one in the longest."""
    found = rates(6, 10.0, 1e7)
    torch.testing.assert_close(found[0], torch.tensor(0.1, dtype=F64))
    torch.testing.assert_close(found[1:] / found[:-1], torch.full((5,), 10 ** (-6 / 6), dtype=F64))


@pytest.mark.parametrize("queries", [1, 4])
@pytest.mark.parametrize("hidden", [False, True], ids=["open", "biased"])
def test_attention_is_softmax_of_turned_rows_times_values(*, queries: int, hidden: bool) -> None:
    """One query turned back equals keys turned forwards, and the fused form equals the weights."""
    q, k, v = _draw(2, 3, queries, 6), _draw(2, 3, 5, 6, seed=4), _draw(2, 3, 5, 7, seed=5)
    by, key_by = (turn(_draw(2, 1, n, seed=6), rates(3, 0.1, 10.0), F64) for n in (queries, 5))
    bias = _draw(2, 3, queries, 5, seed=8)
    bias[0, :, :, 1:] = -math.inf
    given = bias if hidden else None
    logits = rotate(q, by) @ rotate(k, key_by).mT / math.sqrt(6) + (bias if hidden else 0)
    expected = torch.softmax(logits, -1)
    torch.testing.assert_close(rotary_weights(q, k, by, key_by, given), expected)
    torch.testing.assert_close(rotary_attention(q, k, v, by, key_by, given), expected @ v)


def test_a_row_with_all_hidden_reads_zero() -> None:
    """Minus infinity everywhere is nothing to read, not NaN, in both forms."""
    for queries in (1, 3):
        q, k = _draw(1, 1, queries, 4), _draw(1, 1, 5, 4)
        by = Turn(torch.ones(4, dtype=F64), torch.zeros(4, dtype=F64))
        hidden = torch.full((1, 1, queries, 5), -math.inf, dtype=F64)
        assert (rotary_attention(q, k, k, by, by, hidden) == 0).all()
        assert (rotary_weights(q, k, by, by, hidden) == 0).all()
