"""One Ray cluster for all tests here; a namespace and a folder for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray

from swarm.actors.launch import connect, end
from swarm.actors.scenario import Scenario
from swarm.platforms.channels import FOUR
from swarm.spec.campaign import Campaign, load_campaigns
from swarm.spec.config import SwarmConfig

EXAMPLES = Path(__file__).parents[2] / "configs" / "campaigns"


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """Ray with its dashboard, as `swarm run` starts it."""
    connect("local", start=True)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def examples() -> list[Campaign]:
    """The example campaigns."""
    return load_campaigns([EXAMPLES])


@pytest.fixture
def scenarios(
    cluster: None, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[str, int], Scenario]]:
    """Makes scenarios of a name and some days; their actors end with the test."""
    made: list[str] = []

    def make(name: str, days: int) -> Scenario:
        base = SwarmConfig()
        run = base.run.model_copy(update={"days": days, "seed": 11})
        config = base.model_copy(update={"name": f"{name}-{abs(hash(request.node.name)) % 10**6}", "run": run})
        made.append(config.name)
        folder = tmp_path / name
        folder.mkdir()
        return Scenario(config, folder, FOUR, config.run.start, days)

    yield make
    for name in made:
        end(name)
