"""Worlds of known responses, rivals of the allocator, and the comparison."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from benchmarks.allocation import ALLOCATORS, compare, gap_closed, lead, main, play
from benchmarks.allocators import LinearProgram, Swarm, Task, steepest
from benchmarks.gaussian import GaussianProcess, knapsack, upper
from benchmarks.responses import SCENARIOS, Reports, draw, hindsight
from policies.allocation import BudgetAllocator
from policies.frames import Floats

SEEDS = range(600, 604)


def test_hindsight_is_the_best_split() -> None:
    """SciPy's SLSQP, started there and at the equal split, finds nothing better; the sums are the totals."""
    world = draw(SCENARIOS["drift"], SEEDS, 9)
    best = world.best(5)
    np.testing.assert_allclose(best.sum(axis=1), world.total)
    for row in range(len(SEEDS)):
        there, total = world.open[row], world.total[row]

        def loss(share: Floats, row: int = row, there: Floats = there, total: float = total) -> float:
            split = np.zeros(world.open.shape)
            split[row, there] = np.maximum(share, 0.0) * total
            return -float(world.value(split, 5)[row].sum())

        for start in (best[row, there] / total, np.full(there.sum(), 1.0 / there.sum())):
            found = minimize(
                loss,
                start,
                bounds=[(1e-9, 1.0)] * len(start),
                constraints={"type": "eq", "fun": lambda share: share.sum() - 1.0},
            )
            assert loss(best[row, there] / total) <= found.fun * (1 - 2e-5)


def test_a_world_has_the_outcomes_that_its_scenario_names() -> None:
    """A day, at the optimum, in the mean over days."""
    world = draw(SCENARIOS["seasonal"], SEEDS, 21)
    np.testing.assert_allclose(hindsight(world) / 21, 10.0)
    assert (world.open.sum(axis=1) >= 2).all()


@pytest.mark.parametrize("name", ["stationary_100", "delayed", "zero_inflated"])
def test_reports_tell_the_truth_in_the_mean(name: str) -> None:
    """Over many days: also if outcomes come late or on some days only."""
    world = draw(SCENARIOS[name], SEEDS, 2)
    reports, budget = Reports(world, np.random.default_rng(0)), world.best(0)
    days = [reports.of(budget, 0) for _ in range(4_000)]
    truth = np.mean([world.value(spend, 0) for spend, _ in days], axis=0).sum(axis=1)
    told = np.mean([outcome for _, outcome in days], axis=0).sum(axis=1)
    np.testing.assert_allclose(told, truth, rtol=0.1)


def test_late_reports_begin_low() -> None:
    """On the first day less than half of what was bought is told."""
    world = draw(replace(SCENARIOS["delayed"], outcomes=100.0), SEEDS, 2)
    _, outcome = Reports(world, np.random.default_rng(0)).of(world.best(0), 0)
    assert (outcome.sum(axis=1) < 0.5 * world.value(world.best(0), 0).sum(axis=1)).all()


@pytest.mark.parametrize("name", list(ALLOCATORS))
def test_every_allocator_splits_the_total_over_open_channels(name: str) -> None:
    """From the first day to the last."""
    world = draw(SCENARIOS["stationary_10"], SEEDS, 9)
    allocator = ALLOCATORS[name](Task(world.open, world.total, np.random.default_rng(0)))
    reports = Reports(world, np.random.default_rng(1))
    for day in range(9):
        split = allocator.split()
        np.testing.assert_allclose(split.sum(axis=1), world.total, rtol=1e-6)
        assert (split >= 0).all()
        assert not split[~world.open].any()
        allocator.observe(*reports.of(split, day))


def test_the_swarm_of_the_benchmark_is_the_allocator_that_people_use() -> None:
    """One row of it splits as ``BudgetAllocator`` does on the same days, to the micro."""
    names, total = ("a", "b", "c"), 1_234.5
    task = Task(np.ones((1, 3), dtype=bool), np.array([total]), np.random.default_rng(7))
    rows, one = Swarm(task), BudgetAllocator(names, total=total, rng=np.random.default_rng(7))
    rng = np.random.default_rng(0)
    for _ in range(12):
        split = one.allocate()
        np.testing.assert_allclose(list(split.values()), rows.split()[0], atol=2e-6)
        spend, outcome = rng.uniform(1.0, 900.0, 3), rng.poisson(6.0, 3).astype(np.float64)
        rows.observe(spend[None], outcome[None])
        one.update(dict(zip(names, spend.tolist(), strict=True)), dict(zip(names, outcome.tolist(), strict=True)))


def test_the_knapsack_is_exact() -> None:
    """By enumeration of all splits of six steps over three channels."""
    value = np.random.default_rng(0).normal(size=(5, 3, 7))
    splits = np.array([s for s in itertools.product(range(7), repeat=3) if sum(s) == 6])
    found = knapsack(value)
    assert (found.sum(axis=1) == 6).all()
    for row in range(5):
        best = value[row, np.arange(3), splits].sum(axis=1).max()
        assert value[row, np.arange(3), found[row]].sum() == pytest.approx(best)


def test_the_gaussian_process_is_scikit_learns() -> None:
    """Mean and deviation of a channel, at the length and noise that were chosen."""
    world = draw(SCENARIOS["stationary_30"], SEEDS, 9)
    task = Task(world.open, world.total, np.random.default_rng(0))
    process, reports = GaussianProcess(task, upper), Reports(world, np.random.default_rng(1))
    for _ in range(12):
        process.observe(*reports.of(task.random(), 0))
    mean, covariance = process._posterior()
    spend, outcome = (np.array(past)[:, 0, 0] for past in (process.spend, process.outcome))
    x = np.sqrt(spend / task.equal[0, 0])
    rate = ((outcome * x).sum() + 0.1) / ((x * x).sum() + 0.1)
    left = (outcome - rate * x) / rate
    fits = [
        GaussianProcessRegressor(ConstantKernel(0.3) * RBF(length), alpha=noise, optimizer=None).fit(x[:, None], left)
        for length in process.LENGTHS
        for noise in process.NOISES
    ]
    best = max(fits, key=lambda fit: float(fit.log_marginal_likelihood_value_))
    expected, deviation = best.predict(process._grid[0][:, None], return_std=True)
    np.testing.assert_allclose(mean[0, 0], rate * (process._grid[0] + expected), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diagonal(covariance[0, 0])), rate * deviation, rtol=1e-4, atol=1e-6)


def test_the_steepest_pieces_first_are_the_linear_program() -> None:
    """As good as HiGHS finds, within the same bounds."""
    rng = np.random.default_rng(0)
    slope, most = rng.uniform(0.0, 5.0, (2, 40, 4)), rng.uniform(0.0, 3.0, (2, 40, 4))
    slope[1] = slope[0] * rng.uniform(0.05, 0.95, (40, 4))
    total = rng.uniform(0.0, 1.0, 40) * most.sum(axis=(0, 2))
    found = steepest(slope, most, total)
    np.testing.assert_allclose(found.sum(axis=1), total)
    for row in range(40):
        limits = np.stack([np.zeros(8), most[:, row].ravel()], axis=1)
        best = linprog(-slope[:, row].ravel(), A_eq=np.ones((1, 8)), b_eq=total[row : row + 1], bounds=limits)
        near = np.minimum(found[row], most[0, row])
        assert (slope[:, row] * [near, found[row] - near]).sum() == pytest.approx(-best.fun)


def test_the_linear_program_moves_no_budget_by_more_than_its_step() -> None:
    """From the last three days' mean; and it does move."""
    world = draw(SCENARIOS["stationary_10"], SEEDS, 9)
    task = Task(world.open, world.total, np.random.default_rng(0))
    program, days = LinearProgram(task), [task.random() for _ in range(6)]
    for budget in days:
        program.observe(budget, world.value(budget, 0))
    last = np.mean(days[-3:], axis=0)
    moved = (program.split() / np.where(world.open, last, 1.0))[world.open] - 1.0
    assert np.abs(moved).max() == pytest.approx(program.STEP, rel=0.1)


def test_no_allocator_beats_hindsight_and_learning_beats_the_equal_split() -> None:
    """In expectation, so on every seed; and ours learns within 40 days."""
    world = draw(SCENARIOS["stationary_100"], SEEDS, 40)
    best = hindsight(world)
    values = {name: play(world, ALLOCATORS[name], 600) for name in ("swarm", "equal", "power_laws")}
    assert all((value <= best * (1 + 1e-6)).all() for value in values.values())
    assert values["swarm"].sum() > values["equal"].sum()


def test_the_comparison_is_paired_and_written(tmp_path: Path) -> None:
    """Shape of the JSON; the lead is over the best rival of the table."""
    main(["--scenarios", "stationary_3", "--seeds", "3", "--days", "8", "--tuning", "--json", str(tmp_path / "x.json")])
    found = json.loads((tmp_path / "x.json").read_text())
    assert set(found["stationary_3"]) == set(ALLOCATORS)
    mean, low, high = found["stationary_3"]["swarm"]["value_ratio"]
    assert low <= mean <= high
    best, ahead, *_ = lead(found["stationary_3"])
    assert ahead == pytest.approx(mean - found["stationary_3"][best]["value_ratio"][0])
    assert gap_closed(found)[0] == best
    assert compare("stationary_3", range(500, 503), 8)["equal"]["seeds"] == found["stationary_3"]["equal"]["seeds"]
