"""`swarm run`, as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from swarm.actors.scenario import Scenario
from swarm.cli.run import run
from swarm.spec.campaign import Campaign

pytestmark = pytest.mark.cluster
SWARM = Path(sys.executable).parent / "swarm"
EXAMPLES = Path(__file__).parents[2] / "configs" / "campaigns"
FIELDS = {
    "value",
    "spend",
    "hindsight_value",
    "hindsight_ratio",
    "baselines",
    "overspend_micros",
    "ticks",
    "campaigns",
    "seconds",
    "tick_ms",
    "ray_calls_per_tick",
    "mode_seconds",
}
"""What every run reports."""


def test_run_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    """One day of two campaigns: a table for people, every documented field for programs."""
    specs = [str(EXAMPLES / f"{name}.yaml") for name in ("hearth-kettle-sales", "fernway-guide-traffic")]
    done = subprocess.run(
        [SWARM, "run", *specs, "--days", "1", "--seed", "3", "--json", "out/run.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "hearth-kettle-sales" in done.stdout
    found = json.loads((tmp_path / "out" / "run.json").read_text())
    assert set(found) >= FIELDS
    assert set(found["baselines"]) == {"equal_split", "auction_pacer"}
    assert found["campaigns"] == 2
    assert set(found["tick_ms"]) == {"p50", "p99"}


def test_without_specs_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No SPEC: the campaigns of `configs/campaigns` run, and standard error names them."""
    played: list[str] = []

    def play(_scenario: Scenario, campaigns: list[Campaign], *_rest: object) -> dict[str, int]:
        played.extend(campaign.name for campaign in campaigns)
        return {"campaigns": len(campaigns)}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("swarm.cli.run.play", play)
    result = CliRunner().invoke(run, ["--json", "-"])
    assert json.loads(result.stdout) == {"campaigns": 8}
    assert sorted(played) == sorted(path.stem for path in EXAMPLES.iterdir())
    assert all(name in result.stderr for name in played)


@pytest.mark.parametrize(("words", "message"), [
    (["x.yaml", "--history", "log.csv"], "not both"),
    (["nowhere.yaml"], "nowhere.yaml"),
    (["--market", "meta", "x.yaml"], "'meta' is not 'embedded'"),
    (["--days", "0", "x.yaml"], "0 is not in the range"),
])  # fmt: skip
def test_wrong_words_end_with_status_2(words: list[str], message: str, tmp_path: Path) -> None:
    """Mistakes on the command line are named, and nothing is started."""
    done = subprocess.run([SWARM, "run", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "runs").exists()
