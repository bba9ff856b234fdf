"""A Ray cluster of its own, in processes of its own, that can be killed without harm to any other."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
READY_S = 90.0
PORTS = ("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")
_LOOK_S = 0.02


class Head:
    """A Ray head whose ports, temporary folder, home and token are its own, and a terminal beside it."""

    def __init__(self, home: Path, temporary: str, *, dashboard: bool = True) -> None:
        """Start it; ``home`` is where commands run, ``temporary`` has a short name, for sockets lie in it."""
        self.home = home
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.address = f"127.0.0.1:{ports['port']}"
        self._env = {
            "PATH": f"{BIN}{os.pathsep}{os.defpath}",
            "HOME": str(home),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "OMP_NUM_THREADS": "1",
            "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{ports['dashboard-port']}",
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self.ray("get-auth-token", "--generate")
        where = {**ports, "node-ip-address": "127.0.0.1", "temp-dir": temporary, "num-cpus": 2}
        options = [f"--{name}={value}" for name, value in where.items()]
        command: list[str | Path] = [BIN / "ray", "start", "--head", "--block", *options]
        command.append(f"--include-dashboard={str(dashboard).lower()}")
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, cwd=home, env=self._env, stdout=quiet, stderr=quiet, start_new_session=True
        )

    def ray(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What a command of Ray's says; the token is sent only where RAY_AUTH_MODE asks for it."""
        return self.run("ray", *words, RAY_AUTH_MODE="token")

    def swarm(self, command: str, *words: str) -> Any:
        """What ``swarm COMMAND`` on this cluster answers, in JSON."""
        done = self.run("swarm", *command.split(), *words, "--address", self.address, "--json")
        assert done.returncode == 0, f"{command} {words}: {done.stdout}\n{done.stderr}"
        return json.loads(done.stdout.splitlines()[-1])

    def run(self, program: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """What a program of this environment says, with ``more`` in its environment."""
        return subprocess.run(
            [BIN / program, *words], cwd=self.home, env={**self._env, **more},
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def wait(self) -> None:
        """Return when the cluster takes jobs."""
        deadline = time.monotonic() + READY_S
        while (asked := self.ray("job", "list")).returncode != 0:
            assert time.monotonic() < deadline, asked.stderr
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """End this cluster and no other: a head that blocks takes its own processes with it."""
        self._process.terminate()
        self._process.wait(timeout=60)

    def process(self, actor: str) -> int:
        """The process of the actor whose class is called ``actor``."""
        (found,) = (pid for pid in of_session(self._process.pid) if _title(pid).startswith(f"ray::{actor}"))
        return found

    def kill(self) -> None:
        """Kill -9 of every process of this cluster at once: they share the session that the head began."""
        deadline = time.monotonic() + READY_S
        while found := of_session(self._process.pid):
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.poll()
            assert time.monotonic() < deadline, f"still there: {found}"


def of_session(leader: int) -> list[int]:
    """Processes of the session that ``leader`` began; those that are dead and not yet waited for left out."""
    found = []
    for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if os.getsid(pid) == leader and state != "Z":
                found.append(pid)
    return found


def _title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on; each is held until all are found, so that they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
