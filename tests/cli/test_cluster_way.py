"""The cluster way, as people type it: `ray start --head`, `swarm up` here, the other commands there."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.head import Head
from tests.store.kept import unpacked

pytestmark = pytest.mark.cluster
EXAMPLES = Path(__file__).parents[2] / "configs" / "campaigns"


class Terminal:
    """A shell in a folder of its own, with a Ray cluster's address in its environment."""

    def __init__(self, head: Head) -> None:
        self._head, self.folder = head, head.home

    def __call__(self, *words: str, status: int = 0) -> str:
        done = self._head.run(*words, RAY_ADDRESS=self._head.address)
        assert done.returncode == status, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout if status == 0 else done.stderr

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json").splitlines()[-1])


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """Beside a Ray that was started by hand; `ray stop` would end every other cluster of the machine with it."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as temporary:
        head = Head(tmp_path_factory.mktemp("cluster-way"), temporary)
        try:
            head.wait()
            yield Terminal(head)
        finally:
            head.stop()


def test_a_swarm_from_up_to_down(terminal: Terminal) -> None:
    """Up twice, submit twice, status, watch, hold, release, pause, resume, down; each answers in JSON."""
    assert "no swarm called" in terminal("swarm", "status", status=3)
    assert terminal.json("swarm", "up", "--tick-seconds", "0.2")["ready"]
    assert terminal.json("swarm", "up", "--tick-seconds", "0.2")["ready"]
    assert not json.loads(terminal("swarm", "watch", "--frames", "1", "--json"))["campaigns"]
    assert set(terminal.json("swarm", "submit", str(EXAMPLES)).values()) == {"submitted"}
    assert set(terminal.json("swarm", "submit", str(EXAMPLES)).values()) == {"known"}
    frames = [json.loads(line) for line in terminal("swarm", "watch", "--frames", "2", "--json").splitlines()]
    assert frames[1]["tick"] > frames[0]["tick"]
    assert "tidewater-launch-sales" in terminal("swarm", "status")
    assert terminal.json("swarm", "mode", "hold", "freeze") == {"mode": "FREEZE", "held": True}
    assert terminal.json("swarm", "status")["held"] is True
    assert terminal.json("swarm", "mode", "release")["held"] is False
    assert terminal.json("swarm", "pause", "fernway-guide-traffic")["paused"] == ["fernway-guide-traffic"]
    assert terminal.json("swarm", "resume")["paused"] == []
    assert "no campaign is called" in terminal("swarm", "pause", "nobody", status=1)
    assert "coordinator" in terminal.json("swarm", "down")["ended"]
    assert "no swarm called" in terminal("swarm", "down", status=3)


@pytest.mark.slow
def test_a_swarm_goes_on_from_its_journal(terminal: Terminal) -> None:
    """After down, up takes up the campaigns and the hour where they were."""
    terminal.json("swarm", "up", "--tick-seconds", "0.2")
    terminal("swarm", "submit", str(EXAMPLES))
    terminal("swarm", "watch", "--frames", "2", "--json")
    before = terminal.json("swarm", "status")
    assert len(before["campaigns"]) == 8
    terminal("swarm", "down")
    terminal.json("swarm", "up", "--tick-seconds", "0.2")
    after = json.loads(terminal("swarm", "watch", "--frames", "1", "--json"))
    assert after["tick"] >= before["tick"]
    assert len(after["campaigns"]) == 8
    terminal("swarm", "down", "--keep-delivering")


def test_a_bad_spec_submits_nothing(terminal: Terminal) -> None:
    """One wrong file among good ones: each mistake named on standard error, status 2."""
    wrong = terminal.folder / "wrong.yaml"
    wrong.write_text((EXAMPLES / "hearth-kettle-sales.yaml").read_text().replace("currency: USD", "currency: USB"))
    message = terminal("swarm", "submit", str(EXAMPLES), str(wrong), status=2)
    assert "wrong.yaml:" in message
    assert "USD" in message


def test_a_journal_of_another_version_ends_up_in_one_line(terminal: Terminal) -> None:
    """Exit status 1, what is wrong and what to do; nothing is up afterwards."""
    unpacked("before_tuning", terminal.folder / "runs" / "of-old")
    (terminal.folder / "old.yaml").write_text("name: of-old\n")
    message = terminal("swarm", "up", "--config", "old.yaml", status=1)
    (line,) = [line for line in message.splitlines() if line.startswith("swarm: ")]
    assert "of-old/journal.sqlite was kept by another version of this program" in line
    assert "Traceback" not in message
    assert "no swarm called" in terminal("swarm", "status", "--name", "of-old", status=3)
