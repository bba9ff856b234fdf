"""What tests of commands on a finished run share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.observe.runs import play


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder below the store folder of where the command is started."""
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "runs" / "swarm"
    play(made).close()
    return made
