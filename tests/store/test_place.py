"""Where a run folder's journal is kept: a file, or a server's schema."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from swarm.errors import Failed, JournalError
from swarm.store.journal import Journal
from swarm.store.place import has_journal, is_kept, journal_of, settle
from tests.store.server import Server


def url(server: Server) -> str:
    """Of the server, without a schema."""
    whole = urlsplit(server.place())
    return whole._replace(query=whole.query.partition("&")[0]).geturl()


def test_a_folder_keeps_its_own_journal(tmp_path: Path) -> None:
    """Where no server is named, it is a file; it is there once it was opened."""
    folder = tmp_path / "run"
    assert settle(folder, None) == folder / "journal.sqlite"
    assert not has_journal(folder)
    Journal(settle(folder, None)).close()
    assert has_journal(folder)
    assert is_kept(journal_of(folder))


def test_a_folder_says_which_schema_has_its_journal(tmp_path: Path, server: Server) -> None:
    """The schema is called as the folder; whoever knows the folder finds it, and a second start too."""
    folder = tmp_path / "spring-sale"
    place = settle(folder, url(server))
    assert not is_kept(place)
    with_name = Journal(place)
    with_name.remember("a", "b")
    assert with_name.name == "spring-sale"
    assert settle(folder, url(server)) == settle(folder, None) == place == journal_of(folder)
    assert Journal(journal_of(folder), read_only=True).recall("a") == "b"


def test_a_schema_may_be_named(tmp_path: Path, server: Server) -> None:
    """The URL's own name of a schema counts."""
    place = settle(tmp_path / "run", server.place("summer"))
    assert Journal(place).name == "summer"


def test_a_journal_never_moves(tmp_path: Path, server: Server) -> None:
    """From a file to a server, or between schemas; nothing is written."""
    Journal(settle(tmp_path / "file", None)).close()
    settle(tmp_path / "server", url(server))
    for folder in (tmp_path / "file", tmp_path / "server"):
        before = journal_of(folder)
        with pytest.raises(Failed, match="does not move"):
            settle(folder, server.place("elsewhere"))
        assert journal_of(folder) == before


def test_two_folders_never_share_a_schema(tmp_path: Path, server: Server) -> None:
    """The second one hears how to name another, and is left without a journal."""
    Journal(settle(tmp_path / "one" / "twin", url(server))).close()
    second = tmp_path / "two" / "twin"
    with pytest.raises(Failed, match=r"schema twin has the journal of another run folder: name another"):
        settle(second, url(server))
    assert not has_journal(second)


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """Nothing is decided then."""
    with pytest.raises(JournalError, match=r"nobody\.invalid"):
        settle(tmp_path / "run", "postgresql://swarm@nobody.invalid/ads")
    assert not has_journal(tmp_path / "run")
