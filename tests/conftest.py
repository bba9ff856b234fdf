"""What all tests share: repeatable examples, one thread, no silent skips, and one Ray cluster for all that need one."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from hypothesis import settings

from swarm.actors.launch import connect, end
from swarm.actors.scenario import Scenario
from swarm.actors.session import simulate
from swarm.platforms.channels import FOUR
from swarm.spec.campaign import Campaign, load_campaigns
from swarm.spec.config import SwarmConfig
from tests.store.server import Server, missing

settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=False)
settings.load_profile("repeatable")
torch.set_num_threads(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With SWARM_CI=1 a test that skips because it "needs " something fails: there everything is at hand."""
    report = yield
    reason = _skip_reason(report.longrepr)
    if os.environ.get("SWARM_CI") == "1" and report.skipped and reason.startswith("needs "):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be missing: {reason}"
    return report


def _skip_reason(longrepr: Any) -> str:
    return longrepr[2].removeprefix("Skipped: ") if isinstance(longrepr, tuple) else ""


EXAMPLES = Path(__file__).parents[1] / "configs" / "campaigns"


def _served() -> Iterator[Server]:
    if lacking := missing():
        pytest.skip(f"needs {lacking}")
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server for all."""
    yield from _served()


@pytest.fixture
def frail() -> Iterator[Server]:
    """A server of a test's own, to be killed."""
    yield from _served()


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


def scenario_of(name: str, days: int, folder: Path) -> Scenario:
    """The embedded market on the seed of these tests."""
    base = SwarmConfig()
    run = base.run.model_copy(update={"days": days, "seed": 11})
    config = base.model_copy(update={"name": name, "run": run})
    return Scenario(config, folder, FOUR, config.run.start, days)


@pytest.fixture
def scenarios(
    cluster: None, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[str, int], Scenario]]:
    """Makes scenarios of a name and some days, in a namespace and a folder each; their actors end with the test."""
    made: list[str] = []

    def make(name: str, days: int) -> Scenario:
        made.append(f"{name}-{abs(hash(request.node.name)) % 10**6}")
        folder = tmp_path / name
        folder.mkdir()
        return scenario_of(made[-1], days, folder)

    yield make
    for name in made:
        end(name)


@pytest.fixture(scope="session")
def undisturbed(
    cluster: None, examples: list[Campaign], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Scenario, dict[str, Any]]:
    """Three days that nothing disturbed, and what came of them."""
    scenario = scenario_of("undisturbed", 3, tmp_path_factory.mktemp("undisturbed"))
    return scenario, simulate(scenario, examples, lambda _: None)
