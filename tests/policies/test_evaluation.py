"""Off-policy estimates, against enumeration, logs written out round by round, and models that are right."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from policies.bandit_log import weights
from policies.evaluation import FOLDS, Log, cross_fitted, dm, dr, evaluate, ipw, snipw
from policies.ridge import PooledRidge, Sums

FREQUENCY = np.array([0.3, 0.7])
"""[X] of two contexts."""
RATE = np.array([[0.2, 0.5, 0.9], [0.6, 0.1, 0.4]])
"""[X, A] chance of a reward."""
LOGGED = np.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]])
TARGET = np.array([[0.1, 0.2, 0.7], [0.5, 0.1, 0.4]])
VALUE = float((FREQUENCY[:, None] * TARGET * RATE).sum())


def _sample(rounds: int, rng: np.random.Generator, *, rate: np.ndarray = RATE) -> tuple[Log, np.ndarray]:
    """A log as sums: one row for each context, action and reward; and the target of its rows."""
    cell = FREQUENCY[:, None, None] * LOGGED[..., None] * np.stack([1 - rate, rate], axis=-1)
    counts = rng.multinomial(rounds, cell.ravel()).astype(np.float64)
    x, a, r = (each.ravel() for each in np.indices(cell.shape))
    return Log(a, r.astype(np.float64), LOGGED[x], np.eye(2)[x], counts), TARGET[x]


@pytest.mark.parametrize("rounds", [1, 2])
def test_weighting_and_the_doubly_robust_are_unbiased(rounds: int) -> None:
    """Summed over every log that can happen, whatever the model says; the self-normalised is not, and is not asked."""
    outcomes = [
        (x, a, r, FREQUENCY[x] * LOGGED[x, a] * (RATE[x, a] if r else 1 - RATE[x, a]))
        for x, a, r in product(range(2), range(3), range(2))
    ]
    wrong = np.array([[0.9, 0.1, 0.3], [0.2, 0.8, 0.5]])
    found = np.zeros(2)
    for happened in product(outcomes, repeat=rounds):
        x, a, r = (np.array([one[i] for one in happened]) for i in range(3))
        log = Log(a, r.astype(np.float64), LOGGED[x], np.eye(2)[x])
        chance = np.prod([one[3] for one in happened])
        found += chance * np.array([ipw(log, TARGET[x]).value, dr(log, TARGET[x], predicted=wrong[x]).value])
    assert found == pytest.approx(VALUE, abs=1e-12)


def test_a_true_model_leaves_only_the_spread_of_contexts() -> None:
    """Rewards that are what the model says make the doubly robust exact, however few the rounds."""
    x = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1])
    a = np.random.default_rng(3).integers(0, 3, 10)
    found = dr(Log(a, RATE[x, a], LOGGED[x], np.eye(2)[x]), TARGET[x], predicted=RATE[x])
    assert found.value == pytest.approx(VALUE, abs=1e-12)
    by_context = (TARGET * RATE).sum(axis=1)[x]
    assert found.error == pytest.approx(by_context.std() / np.sqrt(10), abs=1e-12)


def test_sums_say_what_the_rounds_do() -> None:
    """A row that stands for many rounds counts as they would one by one."""
    log, target = _sample(500, np.random.default_rng(5))
    many = np.repeat(np.arange(len(log.action)), log.rounds.astype(int))
    assert log.context is not None
    long = Log(log.action[many], log.reward[many], log.propensity[many], log.context[many])
    for estimator in (ipw, snipw, dm):
        short, written_out = estimator(log, target), estimator(long, target[many])
        assert (short.value, short.error, short.effective) == pytest.approx(
            (written_out.value, written_out.error, written_out.effective), rel=1e-9
        )


def test_the_logged_policy_itself_earns_the_mean() -> None:
    """All weights are 1, and all rounds effective."""
    log, _ = _sample(2_000, np.random.default_rng(6))
    for name, found in evaluate(log, log.propensity, rng=np.random.default_rng(0)).items():
        assert found.value == pytest.approx(log.mean(log.reward), abs=0.002 if name in ("dm", "dr") else 1e-12)
        assert found.effective == pytest.approx(2_000)


@lru_cache(maxsize=1)
def _errors() -> dict[str, np.ndarray]:
    """[300] of each estimator: its error in its own standard errors, over rates that differ by about 35 %."""
    found: dict[str, list[float]] = {"ipw": [], "snipw": [], "dm": [], "dr": []}
    for seed in range(300):
        rng = np.random.default_rng(seed)
        rate = 0.1 * np.exp(0.35 * rng.standard_normal(RATE.shape))
        log, target = _sample(4_000, rng, rate=rate)
        value = (FREQUENCY[:, None] * TARGET * rate).sum()
        for name, each in evaluate(log, target, rng=rng).items():
            found[name].append((each.value - value) / each.error)
    return {name: np.array(errors) for name, errors in found.items()}


@pytest.mark.parametrize("name", ["ipw", "snipw", "dm", "dr"])
def test_intervals_hold_the_truth_as_often_as_they_say(name: str) -> None:
    """Of 300 logs; and errors are as large as they are said to be."""
    z = _errors()[name]
    assert 0.92 <= np.mean(np.abs(z) < 1.96) <= 0.98
    assert z.std() == pytest.approx(1.0, abs=0.12)
    assert z.mean() == pytest.approx(0.0, abs=0.2)


def test_self_normalised_estimates_follow_the_level_of_rewards() -> None:
    """A reward of c more in every round is worth c more, exactly; plain weighting says c times the mean weight."""
    log, target = _sample(400, np.random.default_rng(8))
    raised = Log(log.action, log.reward + 5.0, log.propensity, log.context, log.rounds)
    assert snipw(raised, target).value == pytest.approx(snipw(log, target).value + 5.0)
    assert ipw(raised, target).value == pytest.approx(ipw(log, target).value + 5.0 * log.mean(weights(log, target)))


@given(st.floats(1e-4, 1e6), st.integers(0, 1_000))
@settings(max_examples=25, deadline=None)
def test_no_unit_of_the_reward_matters(unit: float, seed: int) -> None:
    """Money in cents or in millions: values and errors scale."""
    log, target = _sample(300, np.random.default_rng(seed))
    other = Log(log.action, unit * log.reward, log.propensity, log.context, log.rounds)
    pairs = (evaluate(each, target, rng=np.random.default_rng(1)) for each in (log, other))
    for mine, theirs in zip(*(pair.values() for pair in pairs), strict=True):
        assert (theirs.value, theirs.error) == pytest.approx((unit * mine.value, unit * mine.error), rel=1e-6)


def test_the_ridge_is_the_one_of_a_design_with_a_column_for_every_effect() -> None:
    """scikit-learn's, with one column of each feature for all actions and one for each action."""
    rng = np.random.default_rng(9)
    x, a = rng.normal(size=(200, 3)), rng.integers(0, 4, 200)
    r, counts = rng.normal(size=200) + a, rng.integers(1, 4, 200).astype(float)
    wide = np.concatenate([np.ones((200, 1)), x], axis=1)
    design = np.concatenate([x, *((a == k)[:, None] * wide for k in range(4))], axis=1)
    sums = Sums.of(wide, a, r, counts, 4)
    oracle = Ridge(alpha=sums.penalty, solver="cholesky").fit(design, r, sample_weight=counts)
    predicted = PooledRidge.fit(sums).predict(wide)
    assert predicted[np.arange(200), a] == pytest.approx(oracle.predict(design), abs=1e-8)


def test_the_functional_is_the_derivative_of_what_is_predicted() -> None:
    """Moving one reward moves the weighted prediction by the derivative at its row."""
    rng = np.random.default_rng(10)
    x, a, r = np.concatenate([np.ones((40, 1)), rng.normal(size=(40, 2))], axis=1), rng.integers(0, 3, 40), np.ones(40)
    r[::2], weight = -1.0, rng.random((40, 3))
    moved = r.copy()
    moved[7] *= -1.0  # the penalty, of |r| and r^2, stays
    before, after = (PooledRidge.fit(Sums.of(x, a, each, np.ones(40), 3)) for each in (r, moved))
    change = (weight * (after.predict(x) - before.predict(x))).sum()
    assert before.functional(x, weight)[0][7, a[7]] * (moved[7] - r[7]) == pytest.approx(change)


def test_no_round_is_predicted_by_itself() -> None:
    """Folds share the rounds out without loss, and a fold's predictions stay when its own rewards change."""
    log, _ = _sample(3_000, np.random.default_rng(11))
    wide, predicted = cross_fitted(log, 3, np.random.default_rng(2))
    rows = len(log.action)
    assert wide.rounds.reshape(FOLDS, rows).sum(axis=0) == pytest.approx(log.rounds)
    first = wide.rounds[:rows]
    others = Sums.of(log.x, log.action, log.reward, log.rounds - first, 3)
    assert predicted[:rows] == pytest.approx(PooledRidge.fit(others).predict(log.x))


def test_actions_never_seen_are_expected_to_be_like_the_others() -> None:
    """The direct method borrows; weighting is warned of."""
    log = Log(np.zeros(50, int), np.tile([0.0, 1.0], 25), np.ones(50))
    assert PooledRidge.fit(Sums.of(log.x, log.action, log.reward, log.rounds, 2)).predict(log.x) == pytest.approx(0.5)


def test_a_log_without_rewards_earns_nothing() -> None:
    """All four say 0, surely."""
    log, target = _sample(500, np.random.default_rng(12), rate=np.zeros((2, 3)))
    for found in evaluate(log, target, rng=np.random.default_rng(0)).values():
        assert (found.value, found.error) == pytest.approx((0.0, 0.0), abs=1e-12)


def _log(**changes: object) -> Log:
    fields = {"action": [0, 1], "reward": [0.0, 1.0], "propensity": [0.5, 0.5], **changes}
    return Log(**{name: np.asarray(value) for name, value in fields.items()})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"propensity": [0.5, 0.0]}, r"propensity of the action taken in row 1 is 0\.0, expected it in \(0, 1\]"),
        ({"propensity": [0.5, 1.5]}, "row 1 is 1.5"),
        ({"propensity": [[0.5, 0.5], [0.5, 0.4]]}, r"propensity of row 1 is \[0\.5 0\.4\], expected chances that add"),
        ({"propensity": [0.5]}, r"propensity has shape \(1,\), expected \(2,\)"),
        ({"context": [1.0, 2.0]}, r"context has shape \(2,\), expected \(2, 1\)"),
        ({"reward": [0.0, np.nan]}, "reward holds a NaN"),
        ({"action": [0.0, 1.0]}, "action must be whole numbers from 0"),
        ({"action": [0, -1]}, "action must be whole numbers from 0"),
        ({"counts": [0.0, 0.0]}, "add up to 0"),
        ({"counts": [-1.0, 2.0]}, "counts fall to -1"),
    ],
)
def test_logs_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    """With the row and the number that is wrong."""
    with pytest.raises(ValueError, match=message):
        _log(**changes)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([[1.0, 0.0]], r"target has shape \(1, 2\), expected \(2, 2 or more actions\)"),
        ([[1.0], [1.0]], "2 or more actions"),
        ([[0.5, 0.5], [0.7, 0.7]], "target of row 1"),
        ([[1.5, -0.5], [0.5, 0.5]], "target of row 0"),
    ],
)
def test_targets_that_are_no_policies_are_refused(target: list[list[float]], message: str) -> None:
    """With the row that is wrong."""
    with pytest.raises(ValueError, match=message):
        ipw(_log(), target)


def test_a_target_that_acts_where_the_log_never_does_is_refused() -> None:
    """Nothing could tell what comes of it."""
    log = _log(propensity=[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    with pytest.raises(ValueError, match=r"gives action 2 a chance of 0\.3 in row 0, where the log gives it 0"):
        ipw(log, [[0.7, 0.0, 0.3], [0.0, 1.0, 0.0]])


def test_propensities_of_another_policy_are_noticed() -> None:
    """Weights then do not average 1."""
    log, target = _sample(5_000, np.random.default_rng(13))
    swapped = Log(log.action, log.reward, log.propensity[::-1], log.context, log.rounds)
    for estimator in (ipw, snipw, dm):
        with pytest.raises(ValueError, match=r"weights average .* the propensities are not those of the log"):
            estimator(swapped, target)


def test_folds_need_whole_rounds() -> None:
    """Half a round cannot be dealt out; a model of one's own needs no folds."""
    log = _log(counts=[1.5, 2.0])
    with pytest.raises(ValueError, match=r"counts must be whole to be dealt out, got 1\.5 in row 0"):
        dr(log, [[0.5, 0.5]] * 2, rng=np.random.default_rng(0))
    assert dr(log, [[0.5, 0.5]] * 2, predicted=np.zeros((2, 2))).value == pytest.approx(4 / 7)
    with pytest.raises(ValueError, match="needs either rng"):
        dr(log, [[0.5, 0.5]] * 2)
