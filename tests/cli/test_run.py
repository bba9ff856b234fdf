"""`swarm run`, as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster
SWARM = Path(sys.executable).parent / "swarm"
EXAMPLES = Path(__file__).parents[2] / "configs" / "campaigns"


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
    assert {
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
    } <= set(found)
    assert set(found["baselines"]) == {"equal_split", "auction_pacer"}
    assert found["campaigns"] == 2
    assert set(found["tick_ms"]) == {"p50", "p99"}


@pytest.mark.parametrize(("words", "message"), [
    ([], "give campaigns"),
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
