"""Attention's answers, as the journal keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from swarm.actors import answers
from swarm.attention.engine import AttentionEngine
from swarm.attention.request import Answer
from swarm.brain import Brain
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal
from tests.actors.test_checkpoint import fresh
from tests.conftest import scenario_of


@pytest.fixture
def brain(tmp_path: Path, examples: list[Campaign]) -> Brain:
    """One that has the example campaigns."""
    scenario = scenario_of("answers", 3, tmp_path)
    made = fresh(scenario)
    made.admit(examples, scenario.calendar(examples), scenario.budgets(examples))
    return made


@pytest.mark.parametrize("use_case", ["creative_scoring", "expert_routing"])
def test_an_answer_comes_back_bit_for_bit(use_case: str, brain: Brain, tmp_path: Path) -> None:
    """What the real models say of the example campaigns, through a journal: output, extras, version and source."""
    request = brain.creative_request() if use_case == "creative_scoring" else brain.routing_request()
    (answer,) = AttentionEngine().compute(use_case, [request])
    assert isinstance(answer, Answer)
    journal = Journal(tmp_path / "journal.sqlite")
    journal.answer(7, use_case, answer.version, answers.as_arrays(answer))
    kept = journal.answered(7, use_case)
    assert kept is not None
    again = answers.from_arrays(*kept)
    assert (answer.version, answer.source, answer.output.dtype) == (again.version, again.source, again.output.dtype)
    np.testing.assert_equal({**again.extras, "output": again.output}, {**answer.extras, "output": answer.output})


def test_the_last_answer_of_an_hour_counts(tmp_path: Path) -> None:
    """An hour that was taken back asked before; another hour, or another use case, has answers of its own."""
    journal = Journal(tmp_path / "journal.sqlite")
    for tick, version in ((3, 1), (3, 2), (4, 3)):
        journal.answer(tick, "expert_routing", version, {"output": np.array([version])})
    kept = journal.answered(3, "expert_routing")
    assert kept is not None
    assert (2, [2]) == (kept[0], kept[1]["output"].tolist())
    assert journal.answered(3, "creative_scoring") is None
    assert journal.answered(5, "expert_routing") is None


def test_of_a_large_answer_all_is_kept_but_the_features() -> None:
    """They are the next lesson's alone; what decides the hour is there whatever its size."""
    output, features = np.arange(4.0).reshape(2, 2), np.zeros((2, answers.MOST_NUMBERS))
    large = Answer(output=output, weights=None, extras={"features": features}, version=1, source="learnt", batch_size=1)
    again = answers.from_arrays(1, answers.as_arrays(large))
    np.testing.assert_equal(again.output, output)
    assert again.extras["features"].shape == (2, 0)


def test_an_answer_without_its_numbers_is_none() -> None:
    """Kept by a version that kept the output alone: it is said, not made up."""
    with pytest.raises(ValueError, match="does not have the numbers of this answer"):
        answers.from_arrays(1, {"output": np.zeros(4)})
