"""A real PostgreSQL server of the tests' own: a temporary folder, a unix socket, no port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

BINARIES = ("initdb", "pg_ctl", "postgres")
_schemas = count(1)


def missing() -> str:
    """What is not installed here of that which a server takes; empty where all is."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg"
    return ", ".join(name for name in BINARIES if shutil.which(name) is None)


class Server:
    """Runs until ``stop``; may be killed and started again."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="swarm-pg-"))
        self._data = self._folder / "data"
        # A server refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "--pgdata", self._data, "--auth=trust", "--username=swarm", "--encoding=UTF8", "--no-sync")
        self.start()

    def start(self) -> None:
        """Returns when it answers."""
        options = f"-c listen_addresses='' -c unix_socket_directories='{self._folder}'"
        self._run("pg_ctl", "start", "--wait", "-D", self._data, "-o", options, "-l", self._folder / "log")

    def kill(self) -> None:
        """As a power cut would: nothing is finished, all connections are lost."""
        self._run("pg_ctl", "stop", "--wait", "-D", self._data, "-m", "immediate")

    def stop(self) -> None:
        """Leave nothing behind."""
        self.kill()
        shutil.rmtree(self._folder)

    def place(self, schema: str | None = None) -> str:
        """Where a journal may be; a schema that nobody else has, unless it is named."""
        return f"postgresql://swarm@/postgres?host={self._folder}&schema={schema or f'test_{next(_schemas)}'}"

    def _run(self, *words: str | Path) -> None:
        subprocess.run(
            [str(word) for word in words], user=self._user, cwd=self._folder, check=True, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
