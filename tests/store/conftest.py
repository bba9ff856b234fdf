"""Journals in both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.server import Server


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a journal of the test's own may be."""
    if request.param == "sqlite":
        return tmp_path / "run" / "journal.sqlite"
    server: Server = request.getfixturevalue("server")
    return server.place()
