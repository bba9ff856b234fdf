"""The chain and the games against enumerations that share no line with them, on drawn paths and on real ones."""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import partial
from itertools import combinations, pairwise
from math import comb
from pathlib import Path as File

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from mechanisms.shapley import naive
from policies.attribution import Path, Paths, markov, removal_effects, shapley, shapley_of_conversions
from policies.attribution.coalitions import coalition_weights, coalitions
from tests.policies.test_attribution import NAMES, met, paths_of, some_paths

REAL = File(__file__).parents[2].parent / "shared" / "data" / "conversion_paths.csv"
Row = tuple[list[str], float, float]
"""Channels in their order, people, conversions."""
State = tuple[str, ...]
WON, LOST = ("", "won"), ("", "lost")
"""Ends of the chain; no channel has an empty name."""


def rows_of(listed: list[Path]) -> list[Row]:
    return [
        (
            [n for n, _ in sorted(p.touches, key=lambda touch: touch[1]) if n not in p.withheld],
            p.people,
            p.conversions,
        )
        for p in listed
    ]


def chain_by_walking(rows: list[Row], order: int, removed: str | None) -> float:
    """The chance to convert: dictionaries of states, walked step by step until next to nobody is left."""
    leaps: dict[State, dict[State, float]] = defaultdict(lambda: defaultdict(float))
    for touches, people, conversions in rows:
        if not touches:
            continue
        states = [tuple(touches[max(0, i - order) : i]) for i in range(len(touches) + 1)]
        for here, there in pairwise(states):
            leaps[here][there] += people
        leaps[states[-1]][WON] += conversions
        leaps[states[-1]][LOST] += people - conversions
    mass: dict[State, float] = {(): 1.0}
    won = 0.0
    while sum(mass.values()) > 1e-13:
        following: dict[State, float] = defaultdict(float)
        for here, much in mass.items():
            total = sum(leaps[here].values())
            for there, people in leaps[here].items():
                if there == WON:
                    won += much * people / total
                elif there != LOST and there[-1] != removed:
                    following[there] += much * people / total
        mass = following
    return won


def shapley_by_sets(rows: list[Row], names: list[str]) -> dict[str, float]:
    """The game of rates from its definition, coalition by coalition, over sets of names."""
    people: dict[frozenset[str], float] = defaultdict(float)
    conversions: dict[frozenset[str], float] = defaultdict(float)
    for touches, each, won in rows:
        if touches:
            people[frozenset(touches)] += each
            conversions[frozenset(touches)] += won
    worth = {}
    for size in range(len(names) + 1):
        for members in map(frozenset, combinations(names, size)):
            inside = [s for s in people if s <= members]
            total = sum(people[s] for s in inside)
            worth[members] = sum(conversions[s] for s in inside) / total if total else 0.0
    scale, count = sum(people.values()), len(names)
    return {
        name: scale
        * sum(
            (value - worth[members - {name}]) / (count * comb(count - 1, len(members) - 1))
            for members, value in worth.items()
            if name in members
        )
        for name in names
    }


@pytest.mark.parametrize("order", [1, 2, 4])
@settings(max_examples=25)
@given(listed=some_paths)
def test_removal_effects_are_those_of_a_walk(order: int, listed: list[Path]) -> None:
    """Chains of every order."""
    rows = rows_of(listed)
    whole = chain_by_walking(rows, order, None)
    expected = [1.0 - chain_by_walking(rows, order, name) / whole if whole else 1.0 for name in NAMES]
    found = removal_effects(paths_of(*listed), order=order)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@settings(max_examples=25)
@given(listed=some_paths)
def test_a_chain_that_remembers_everything_counts_conversions_that_met_a_channel(listed: list[Path]) -> None:
    """Its removal effect is the share of conversions whose path the channel was on."""
    won = sum(p.conversions for p in listed if met(p))
    if won == 0:
        return
    expected = [sum(p.conversions for p in listed if name in met(p)) / won for name in NAMES]
    np.testing.assert_allclose(removal_effects(paths_of(*listed), order=6), expected, atol=1e-9)


@settings(max_examples=25)
@given(listed=some_paths)
def test_the_game_of_rates_is_its_definition(listed: list[Path]) -> None:
    """Over all coalitions, as sets of names."""
    assert shapley(paths_of(*listed)) == pytest.approx(shapley_by_sets(rows_of(listed), NAMES), abs=1e-9)


@settings(max_examples=25)
@given(listed=some_paths)
def test_equal_parts_are_the_shapley_values_of_counted_conversions(listed: list[Path]) -> None:
    """The closed form against the enumeration of the mechanisms."""

    def worth(asked: torch.Tensor) -> torch.Tensor:
        there = [{name for name, yes in zip(NAMES, row.tolist(), strict=True) if yes} for row in asked]
        won = [sum(p.conversions for p in listed if met(p) and met(p) <= names) for names in there]
        return torch.tensor(won, dtype=torch.float64)

    found = list(shapley_of_conversions(paths_of(*listed)).values())
    np.testing.assert_allclose(found, naive(worth, len(NAMES)).numpy(), atol=1e-9)


def _looked_up(worth: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """The worth of coalitions by their number."""
    return worth[(asked.long() * 2 ** torch.arange(asked.shape[-1])).sum(-1)]


def test_weights_of_coalitions_are_shapleys() -> None:
    """On games drawn at random, against the definition; credit adds up, a dummy gets nothing, twins get the same."""
    rng = np.random.default_rng(0)
    for players in (1, 3, 6):
        worth = rng.normal(size=2**players)
        there = coalitions(players)
        expected = naive(partial(_looked_up, torch.tensor(worth)), players)
        found = worth @ coalition_weights(players)
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-12)
        assert found.sum() == pytest.approx(worth[-1] - worth[0])
        assert (there.sum(axis=0) == 2 ** (players - 1)).all()


def real_rows() -> list[Row]:
    with REAL.open(encoding="utf-8") as file:
        return [
            (row["path"].split(" > "), float(row["total_conversions"]) + float(row["total_null"]), won)
            for row in csv.DictReader(file)
            if (won := float(row["total_conversions"])) >= 0
        ]


@pytest.mark.skipif(not REAL.exists(), reason=f"no conversion paths at {REAL.name}")
@pytest.mark.parametrize("method", ["Markov", "Shapley"])
def test_real_paths_agree_with_an_independent_enumeration(method: str) -> None:
    """Ten thousand paths over twelve channels."""
    rows = real_rows()
    names = sorted({name for touches, _, _ in rows for name in touches})
    paths = Paths.of(
        (
            Path(touches=[(name, float(i)) for i, name in enumerate(touches)], people=people, conversions=won)
            for touches, people, won in rows
        ),
        names,
    )
    won = sum(conversions for _, _, conversions in rows)
    if method == "Shapley":
        found, expected = shapley(paths), shapley_by_sets(rows, names)
    else:
        whole = chain_by_walking(rows, 1, None)
        effect = {name: 1.0 - chain_by_walking(rows, 1, name) / whole for name in names}
        found, expected = markov(paths), {name: won * each / sum(effect.values()) for name, each in effect.items()}
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert sum(found.values()) == pytest.approx(won)
    assert (len(names), won) == (12, 19785.0)
