"""`ray job submit -- swarm run`: a run as a job of a cluster that somebody started, as the README has it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.test_run import EXAMPLES, FIELDS

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
BIN = Path(sys.executable).parent
SPECS = [str(EXAMPLES / f"{name}.yaml") for name in ("hearth-kettle-sales", "fernway-guide-traffic")]
READY_S = 90.0
PORTS = ("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on; each is held until all are found, so that they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Head:
    """A Ray head whose ports, temporary folder, home and token are its own, and a terminal beside it."""

    def __init__(self, home: Path, temporary: str) -> None:
        self.home = home
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self._env = {
            "PATH": f"{BIN}{os.pathsep}{os.defpath}",
            "HOME": str(home),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{ports['dashboard-port']}",
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self.ray("get-auth-token", "--generate")
        where = {**ports, "node-ip-address": "127.0.0.1", "temp-dir": temporary, "num-cpus": 2}
        options = [f"--{name}={value}" for name, value in where.items()]
        command: list[str | Path] = [BIN / "ray", "start", "--head", "--block", "--include-dashboard=true", *options]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, cwd=home, env=self._env, stdout=quiet, stderr=quiet)

    def ray(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What a command of Ray's says; the token is sent only where RAY_AUTH_MODE asks for it."""
        env = {**self._env, "RAY_AUTH_MODE": "token"}
        return subprocess.run(
            [BIN / "ray", *words], cwd=self.home, env=env, capture_output=True, text=True, timeout=240, check=False
        )

    def wait(self) -> None:
        """Return when the cluster takes jobs."""
        deadline = time.monotonic() + READY_S
        while (asked := self.ray("job", "list")).returncode != 0:
            assert time.monotonic() < deadline, asked.stderr
            time.sleep(0.2)

    def stop(self) -> None:
        """End this cluster and no other: a head that blocks takes its own processes with it."""
        self._process.terminate()
        self._process.wait(timeout=60)


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Head]:
    """A cluster that takes jobs; its temporary folder has a short name, for sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as temporary:
        started = Head(tmp_path, temporary)
        try:
            started.wait()
            yield started
        finally:
            started.stop()


def test_a_run_as_a_job(head: Head) -> None:
    """The job joins the cluster that runs it, shows the table in its log, writes its file and succeeds."""
    out = head.home / "out.json"
    entrypoint = ["swarm", "run", *SPECS, "--days", "1", "--json", str(out), "--address", "auto"]
    done = head.ray("job", "submit", "--submission-id", "demo", "--", *entrypoint)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "hearth-kettle-sales" in done.stdout
    status = head.ray("job", "status", "demo")
    assert "'demo' succeeded" in status.stdout + status.stderr
    found = json.loads(out.read_text())
    assert set(found) >= FIELDS
    assert (2, 0) == (found["campaigns"], found["overspend_micros"])
