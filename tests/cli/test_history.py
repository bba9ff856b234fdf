"""`swarm run --history`, as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from swarm.cli import views
from tests.platforms.logs import known_log, lines, write

SWARM = Path(sys.executable).parent / "swarm"
GOOD = lines(known_log(30))


def _run(folder: Path, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """The command in ``folder``."""
    return subprocess.run(
        [SWARM, "run", *words], cwd=folder, capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.mark.cluster
@pytest.mark.slow
def test_a_log_is_run_again_against_its_own_budgets(tmp_path: Path) -> None:
    """The fit, where the money went and the gain for people; the same for programs."""
    write(tmp_path / "log.csv", [GOOD[0].replace("click", "Clicks"), *GOOD[1:]])
    words = ("--history", "log.csv", "--column", "click=Clicks", "--days", "2", "--seed", "3", "--json", "run.json")
    done = _run(tmp_path, *words, "--currency", "EUR", timeout=240.0)
    assert done.returncode == 0, done.stderr
    for part in ("held out", "search", "brand", "EUR", "clicks against the logged budgets: ", "95 % interval"):
        assert part in done.stdout
    found = json.loads((tmp_path / "run.json").read_text())
    history = found["history"]
    assert found["overspend_micros"] == 0
    assert {"logged_budgets", "logged_budgets_same_bidder"} <= set(found["baselines"])
    assert (history["days"], history["channels"]) == (2, ["search", "brand"])
    assert set(history["fit"]) == {"wape", "naive_wape", "total_error", "held_out_days"}
    assert history["clicks"] == pytest.approx(sum(history["by_day"]["clicks"]))
    assert history["gain"][0] == pytest.approx(history["clicks"] / history["logged_clicks"] - 1.0)
    assert history["gain"][1] <= history["gain"][0] <= history["gain"][2]


@pytest.mark.parametrize(("words", "message"), [
    (["--history", "nowhere.csv"], "nowhere.csv: cannot be read as a log"),
    (["--history", "bad.csv"], "bad.csv:2: click: must be a number (got 'many')"),
    (["--history", "log.csv", "--column", "click=Clicks"], "log.csv:1: Clicks: no such column"),
    (["--history", "log.csv", "--column", "clicks=Clicks"], "did you mean 'click'?"),
    (["--history", "log.csv", "--days", "31"], "the log has 30 days, not 31"),
    (["--history", "log.csv", "--currency", "XXX"], "'XXX' is not one of"),
    (["--history", "log.csv", "campaign.yaml"], "SPEC files or folders, or a log"),
])  # fmt: skip
def test_mistakes_end_with_status_2(words: list[str], message: str, tmp_path: Path) -> None:
    """They are named, and nothing is started."""
    write(tmp_path / "log.csv", GOOD)
    write(tmp_path / "bad.csv", [GOOD[0], "2024-03-04,search,many,1,1", *GOOD[2:]])
    done = _run(tmp_path, *words)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not (tmp_path / "runs").exists()


def test_status_has_a_column_for_each_channel_whatever_it_is_called() -> None:
    """A swarm on one platform with two channels."""
    row = {
        "name": "logged-account", "currency": "EUR", "paused": False, "mode": "STABLE", "today_share": 0.5,
        "spend": 4.0, "clicks": 2.0, "conversions": 1.0, "by_channel": [1.0, 3.0],
    }  # fmt: skip
    state = {
        "channels": ["search", "[brand] uk"], "campaigns": [row], "mode": "STABLE", "coherence": 1.0, "time": "",
        "tick": 1, "held": False, "error": "", "waits_for": "", "until": 2, "recommendations": [],
        "proposals": {}, "restarts": {},
        "hyper_version": 1, "quarantined": {}, "stale_attention": [], "tick_ms": {"p50": 1.0, "p99": 1.0},
    }  # fmt: skip
    console = Console(width=160)
    with console.capture() as shown:
        console.print(views.status(state))
    assert all(part in shown.get() for part in ("search", "[brand] uk", "25%", "75%"))
    assert "meta" not in shown.get()
    assert "quarantine" not in shown.get()


def test_status_says_who_is_in_quarantine_and_what_follows() -> None:
    """Since when, why, for how long; which campaigns are CAUTIOUS meanwhile, and which answers are old."""
    row = {
        "name": "careful-one", "currency": "EUR", "paused": False, "mode": "CAUTIOUS", "today_share": 0.5,
        "spend": 4.0, "clicks": 2.0, "conversions": 1.0, "by_channel": [4.0],
    }  # fmt: skip
    kept = {"since": 0.0, "until": 60.0, "seconds_left": 42.4, "why": "died 6 times in 60 s"}
    state = {
        "channels": ["search"], "campaigns": [row], "mode": "STABLE", "coherence": 1.0, "time": "", "tick": 1,
        "held": False, "error": "", "waits_for": "", "until": 2, "recommendations": [],
        "proposals": {}, "restarts": {},
        "hyper_version": 1, "quarantined": {"agent/meta": kept}, "stale_attention": ["expert_routing"],
        "tick_ms": {"p50": 1.0, "p99": 1.0},
    }  # fmt: skip
    console = Console(width=160)
    with console.capture() as shown:
        console.print(views.status(state))
    text = shown.get()
    assert "agent/meta is in quarantine since" in text
    assert "it died 6 times in 60 s; a new life is tried in 42 s" in text
    assert "CAUTIOUS meanwhile: careful-one" in text
    assert "the last answers hold: expert_routing" in text
