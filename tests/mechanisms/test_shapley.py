"""Credit by removal: the definition, the axioms, games with a known answer, and error bars that hold."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from mechanisms.shapley import EXACT_PLAYERS, Value, exact, naive, sampled, shapley

F64 = torch.float64


def _game(players: int, seed: int) -> Value:
    """Each coalition is worth a number of its own, drawn by the seed."""
    table = torch.randn(2**players, generator=torch.Generator().manual_seed(seed), dtype=F64)
    return lambda coalitions: table[_number(coalitions)]


def _number(coalitions: Tensor) -> Tensor:
    return (coalitions.long() << torch.arange(coalitions.shape[1])).sum(-1)


def _smooth(players: int, seed: int) -> Value:
    """Worth with pairs that overlap and saturation, for any number of players."""
    rng = torch.Generator().manual_seed(seed)
    alone = torch.rand(players, generator=rng, dtype=F64)
    pairs = 0.3 * torch.randn(players, players, generator=rng, dtype=F64) / math.sqrt(players)

    def worth(coalitions: Tensor) -> Tensor:
        there = coalitions.double()
        return (there @ alone + ((there @ pairs) * there).sum(-1)).tanh()

    return worth


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10_000))
def test_enumeration_equals_the_definition(players: int, seed: int) -> None:
    """One product with all coalitions is the formula, a coalition at a time."""
    value = _game(players, seed)
    torch.testing.assert_close(exact(value, players).credit, naive(value, players), rtol=1e-12, atol=1e-12)


def test_enumeration_is_the_mean_over_all_orders() -> None:
    """The other definition: what a player adds on arrival, over all 120 orders of five."""
    value, total = _game(5, 1), torch.zeros(5, dtype=F64)
    for order in permutations(range(5)):
        there = torch.zeros(5, dtype=torch.bool)
        for player in order:
            before = value(there[None]).item()
            there[player] = True
            total[player] += value(there[None]).item() - before
    torch.testing.assert_close(exact(value, 5).credit, total / 120, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("players", [4, 12, 20], ids=["few", "most exact", "sampled"])
def test_efficiency(players: int) -> None:
    """The shares sum to what all are worth beyond nobody, sampled as well."""
    value = _smooth(players, 2)
    ends = value(torch.tensor([[False] * players, [True] * players]))
    torch.testing.assert_close(shapley(value, players, pairs=4).credit.sum(), ends[1] - ends[0])


def test_symmetry() -> None:
    """Players who may be exchanged in every coalition get the same."""
    value = _smooth(6, 3)

    def blind(coalitions: Tensor) -> Tensor:
        swapped = coalitions[:, [0, 1, 2, 4, 3, 5]]
        return value(coalitions) + value(swapped)

    credit = exact(blind, 6).credit
    torch.testing.assert_close(credit[3], credit[4], rtol=1e-12, atol=0)
    assert abs(credit[3] - credit[2]) > 1e-3


@pytest.mark.parametrize("players", [6, 14], ids=["exact", "sampled"])
def test_dummy(players: int) -> None:
    """Who adds a constant to every coalition gets it; who adds nothing gets nothing, and no error."""
    value = _smooth(players - 2, 4)
    given = shapley(lambda c: value(c[:, :-2]) + 0.25 * c[:, -1], players, pairs=8)
    torch.testing.assert_close(given.credit[-2:], torch.tensor([0.0, 0.25], dtype=F64), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(given.error[-2:], torch.zeros(2, dtype=F64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("players", [6, 14], ids=["exact", "sampled"])
def test_linearity(players: int) -> None:
    """Credit of a sum of games is the sum of credits; sampled, on the same orders."""
    first, second = _smooth(players, 5), _smooth(players, 6)
    both = shapley(lambda c: 2 * first(c) - 3 * second(c), players, pairs=8)
    apart = 2 * shapley(first, players, pairs=8).credit - 3 * shapley(second, players, pairs=8).credit
    torch.testing.assert_close(both.credit, apart, rtol=1e-10, atol=1e-12)


def test_a_voting_game_has_its_known_power() -> None:
    """Weights 40, 30, 20, 10 and 50 needed, more than half or not: 5/12, 1/4, 1/4, 1/12 of the power."""
    weights = torch.tensor([40, 30, 20, 10])
    credit = exact(lambda c: (c * weights).sum(-1) > 50, 4).credit
    torch.testing.assert_close(credit, torch.tensor([5 / 12, 1 / 4, 1 / 4, 1 / 12], dtype=F64))


def test_all_is_asked_in_one_call() -> None:
    """One batch: 2^N coalitions up to twelve players, then 2 P (N + 1)."""
    asked: list[tuple[int, ...]] = []

    def value(coalitions: Tensor) -> Tensor:
        asked.append(tuple(coalitions.shape))
        return coalitions.sum(-1).float()

    shapley(value, EXACT_PLAYERS)
    shapley(value, EXACT_PLAYERS + 1, pairs=3)
    assert asked == [(4096, 12), (2 * 3 * 14, 13)]


def _coverage(players: int, pairs: int, times: int) -> Tensor:
    """How often the 95 % interval of each player holds the exact share, over ``times`` draws; [N]."""
    value, rng = _smooth(players, 7), torch.Generator().manual_seed(8)
    truth, wide = exact(value, players).credit, stats.t.ppf(0.975, pairs - 1)
    held = torch.zeros(players, dtype=F64)
    for _ in range(times):
        found = sampled(value, players, pairs=pairs, rng=rng)
        held += (found.credit - truth).abs() <= wide * found.error
    return held / times


def test_error_bars_hold_as_often_as_they_say() -> None:
    """Each player's 95 % interval holds the exact share in 95 % of 1,000 draws, within four standard errors."""
    assert ((_coverage(8, 40, 1000) - 0.95).abs() < 4 * math.sqrt(0.95 * 0.05 / 1000)).all()


def test_sampled_credit_is_unbiased_and_better_than_single_orders() -> None:
    """The mean of many draws is the exact share; pairs of an order and its reverse beat independent orders."""
    value, rng = _smooth(10, 9), torch.Generator().manual_seed(10)
    truth = exact(value, 10).credit
    found = sampled(value, 10, pairs=4000, rng=rng)
    assert ((found.credit - truth).abs() < 4 * found.error).all()
    orders = torch.rand(4000, 10, generator=rng).argsort(-1)
    places = orders.argsort(-1)
    there = places[:, None] < torch.arange(11)[:, None]
    added = value(there.flatten(0, 1)).view(4000, 11).diff(dim=-1).gather(-1, places)
    independent = added.std(0) / math.sqrt(8000)  # as many questions as 4,000 pairs
    assert found.error.norm() < 0.7 * independent.norm()


def test_a_seed_decides_the_orders() -> None:
    """The same seed, the same credit to the bit; another seed, another."""
    value = _smooth(15, 11)
    first, same, other = (shapley(value, 15, pairs=4, seed=seed).credit for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_arguments_are_checked() -> None:
    """No players, one pair, an answer of another shape."""
    with pytest.raises(ValueError, match="players 0 is not positive"):
        shapley(_smooth(1, 0), 0)
    with pytest.raises(ValueError, match="pairs 1 is below 2"):
        shapley(_smooth(13, 0), 13, pairs=1)
    with pytest.raises(ValueError, match=r"value answers \(4, 1\) to \(4, 2\), expected \(4,\)"):
        shapley(lambda c: c.sum(-1, keepdim=True), 2)
