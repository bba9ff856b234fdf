"""`ray job submit -- swarm run`: a run as a job of a cluster that somebody started, as the README has it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.head import Head
from tests.cli.test_run import EXAMPLES, FIELDS

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
SPECS = [str(EXAMPLES / f"{name}.yaml") for name in ("hearth-kettle-sales", "fernway-guide-traffic")]


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
