"""The report: its numbers against other libraries, its percentiles on null data, and every status."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from mechanisms.graph import affinity
from mechanisms.unified_report import (
    ILL,
    Status,
    curvature,
    effective_rank,
    metrics,
    report,
    rotations,
    roughness,
    transport,
    turned,
    unturned,
)

Inputs = tuple[Tensor, Tensor, Tensor]


def _null(seed: int = 0, queries: int = 12, keys: int = 15, width: int = 6) -> Inputs:
    """Queries that have nothing to do with the keys."""
    rng = torch.Generator().manual_seed(seed)
    shapes = ((queries, width), (keys, width), (keys, 4))
    query, key, value = (torch.randn(*shape, generator=rng, dtype=torch.float64) for shape in shapes)
    return query, key, value


def _each_its_own(strength: float = 2.0) -> Inputs:
    """Every query is a key, so that it reads that key alone."""
    _, key, value = _null()
    return strength * key[:12], key, value


def _all_alike() -> Inputs:
    """Queries differ only where keys do not."""
    query, key, value = _null(width=12)
    key[:, 6:] = 0
    query = 4 * query
    query[:, :6] = 0
    return query, key, value + 0.5


def _apart() -> Inputs:
    """Queries lie opposite of the keys."""
    query, key, value = _null(width=24)
    shift = 8 * torch.eye(24, dtype=torch.float64)[0]
    return query - shift, key + shift, value


def _crosswise() -> Inputs:
    """Keys on one diagonal of a square, queries on the other: as far from a tree as points of a plane get."""
    _, _, value = _null()
    rng = torch.Generator().manual_seed(1)
    side = torch.randn(27, 1, generator=rng, dtype=torch.float64).sign()
    ends = torch.cat([torch.zeros(27, 1).double(), side], dim=1) + 1e-4 * torch.randn(27, 2, generator=rng).double()
    return ends[:12], ends[12:].flip(1), value


PLANTED = {
    "entropy": _each_its_own,
    "rank": _all_alike,
    "transport": _apart,
    "curvature": _crosswise,
    "coherence": _all_alike,
    "energy": _each_its_own,
}

THREE = ((1, 2, 3), (2, 1, 3), (3, 1, 2))
"""Who the first of four points is paired with, and who is left."""


@pytest.mark.parametrize("name", ILL)
def test_a_planted_fault_is_to_be_acted_on(name: str) -> None:
    """Each of the six numbers reaches ACT, and the whole is not well."""
    found = report(*PLANTED[name]())
    assert found.findings[name].status == Status.ACT
    assert found.status != Status.OK


def test_every_status_is_reached_on_the_way_from_chance_to_a_fault() -> None:
    """Queries that turn towards their keys little by little pass through ok, watch and act, overall too."""
    (chance, key, value), (own, _, _) = _null(), _each_its_own()
    mixed = [report((1 - part) * chance + part * own, key, value) for part in np.linspace(0, 0.4, 41)]
    assert {each.findings["entropy"].status for each in mixed} == set(Status)
    assert {each.status for each in mixed} == set(Status)
    assert mixed[0].status == Status.OK


@pytest.fixture(scope="module")
def on_null_data() -> list[dict[str, float]]:
    """Percentiles of 150 attentions without meaning."""
    reports = [report(*_null(seed, 6, 7, 4), draws=99, neighbours=3, seed=1000 + seed) for seed in range(150)]
    return [{name: finding.percentile for name, finding in each.findings.items()} for each in reports]


@pytest.mark.parametrize("name", ILL)
def test_percentiles_are_uniform_on_null_data(name: str, on_null_data: list[dict[str, float]]) -> None:
    """Kolmogorov-Smirnov finds nothing against it over seeds."""
    assert stats.kstest([each[name] for each in on_null_data], "uniform").pvalue > 0.01 / len(ILL)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_rotations_are_orthogonal_and_uniform(rows: int) -> None:
    """The first entry of a uniform rotation of width three is uniform on (-1, 1), however many rows are drawn."""
    turns = rotations(500, rows, torch.eye(3).double(), torch.Generator().manual_seed(0))
    torch.testing.assert_close(turns @ turns.transpose(1, 2), torch.eye(rows).double().expand(500, rows, rows))
    assert stats.kstest(turns[:, 0, 0].numpy(), stats.uniform(-1, 2).cdf).pvalue > 0.01


@pytest.mark.parametrize("queries", [4, 12], ids=["fewer queries than width", "more queries than width"])
def test_a_turn_keeps_lengths_and_angles_of_queries(queries: int) -> None:
    """Products with the axes are the turned queries, and theirs among themselves stay."""
    query, _, _ = _null(queries=queries)
    (found,) = turned(query, torch.eye(6).double(), 5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found @ found.mT, (query @ query.T).expand(5, -1, -1))
    assert (found[0] - found[1]).abs().max() > 0.1


def test_numbers_from_products_are_those_of_the_turned_points() -> None:
    """Curvature as of all distances, transport as of torch's quantiles, written out for queries that are turned."""
    query, key, _ = _null()
    (moved,) = turned(query, torch.eye(6).double(), 1, torch.Generator().manual_seed(0))
    fours = torch.combinations(torch.arange(27), 4)
    points = torch.cat([moved[0], key])
    far = torch.cdist(points, points)
    sums = torch.stack([far[fours[:, 0], fours[:, i]] + far[fours[:, j], fours[:, k]] for i, j, k in THREE])
    _, second, first = sums.sort(dim=0).values.mean(1)
    got = curvature(moved @ key.T, unturned(query, key), fours)
    assert got.item() == pytest.approx(((first - second) / 2 / first).item())
    ours, theirs = (torch.quantile(x, (torch.arange(64).double() + 0.5) / 64, dim=0) for x in (moved[0], key))
    assert transport(moved, key).item() == pytest.approx((ours - theirs).abs().mean().item())


def test_entropy_and_rank_at_their_ends() -> None:
    """Even weights have entropy 1 and rank 1; the identity has the rank of its size; SciPy agrees in between."""
    query, key, value = _null()
    rng = torch.Generator()
    even = metrics(0 * query, key, value, 1.0, 8, 1, rng)
    assert even["entropy"].tolist() == pytest.approx([1.0, 1.0])
    assert even["rank"].tolist() == pytest.approx([1.0, 1.0], abs=1e-6)
    assert effective_rank(torch.eye(5)[None]).item() == pytest.approx(5.0)
    got = metrics(query, key, value, 1.0, 8, 1, rng)["entropy"][0].item()
    weights = torch.softmax(query @ key.T, -1).numpy()
    assert got == pytest.approx(np.mean(stats.entropy(weights, axis=1)) / math.log(15))


def test_transport_is_zero_to_itself_and_grows_with_the_shift() -> None:
    """In one dimension it is SciPy's Wasserstein distance, up to the grid of quantiles."""
    rng = torch.Generator().manual_seed(0)
    cloud = torch.randn(400, 1, generator=rng, dtype=torch.float64)
    other = 2 * torch.randn(300, 1, generator=rng, dtype=torch.float64) + 1
    assert transport(cloud[None], cloud).item() == 0
    expected = stats.wasserstein_distance(cloud[:, 0].numpy(), other[:, 0].numpy())
    assert transport(cloud[None], other).item() == pytest.approx(expected, rel=0.03)


def test_curvature_is_zero_on_a_tree_and_not_on_a_circle() -> None:
    """Points of a line are a tree; points of a circle have the largest excess of the plane."""
    fours = torch.combinations(torch.arange(9), 4)

    def excess(points: Tensor) -> float:
        query, key = points[:4], points[4:]
        return curvature((query @ key.T)[None], unturned(query, key), fours).item()

    line = torch.arange(9.0).double()[:, None] * torch.tensor([[1.0, 2.0]]).double()
    assert excess(line) == pytest.approx(0.0, abs=1e-8)
    turn = torch.arange(9.0).double() * 2 * math.pi / 9
    circle = torch.stack([turn.cos(), turn.sin()], dim=1)
    assert excess(circle) > 0.05


def test_roughness_is_one_for_a_single_key_and_zero_for_even_weights() -> None:
    """A key alone stands out from all its neighbours."""
    graph = affinity(_null()[1][None], torch.ones(1, 15, dtype=torch.bool), 4)
    assert roughness(torch.eye(15).double()[None], graph).item() == pytest.approx(1.0)
    assert roughness(torch.full((1, 2, 15), 1 / 15).double(), graph).item() == pytest.approx(0.0, abs=1e-9)


def test_order_does_not_matter_and_a_seed_decides() -> None:
    """The same seed, the same report; entropy, rank, coherence and energy do not know the order of rows."""
    query, key, value = _null()
    first = report(query, key, value)
    assert first == report(query, key, value)
    assert first != report(query, key, value, seed=1)
    p, r = torch.randperm(12), torch.randperm(15)
    moved = report(query[p], key[r], value[r])
    for name in ("entropy", "rank", "coherence", "energy", "transport"):
        assert moved.findings[name].value == pytest.approx(first.findings[name].value, rel=1e-8)


def test_wrong_arguments_are_refused() -> None:
    """Shapes are named; what is no number cannot be described."""
    query, key, value = _null()
    with pytest.raises(ValueError, match=r"query \(12, 5\), key \(15, 6\), value \(15, 4\), expected"):
        report(query[:, 1:], key, value)
    with pytest.raises(ValueError, match="fewer than two"):
        report(query[:1], key, value)
    with pytest.raises(ValueError, match="draws is 0"):
        report(query, key, value, draws=0)
    with pytest.raises(ValueError, match="holds a NaN"):
        report(query * torch.nan, key, value)
