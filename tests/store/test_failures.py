"""What the store does when the disk is full, locked, damaged or read-only, and when the server goes away."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarm.errors import JournalError, SwarmError
from swarm.store import database
from swarm.store.chain import verify
from swarm.store.journal import Journal
from swarm.store.recover import recover
from tests.store.samples import row, sample
from tests.store.server import Server

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def until_refused(write: Callable[[], object]) -> tuple[int, str]:
    """How often ``write`` was acknowledged before it was refused, and what was said then."""
    for count in range(100_000):
        try:
            write()
        except JournalError as error:
            return count, str(error)
    raise AssertionError("never refused")


def test_it_is_an_error_of_the_runtime() -> None:
    """Commands turn it into one line and an exit status."""
    assert issubclass(JournalError, SwarmError)


def test_a_full_disk_refuses_and_goes_on_when_there_is_space(path: Path) -> None:
    """Nothing acknowledged is lost, what was refused is absent whole, and the same connection goes on."""
    journal = sample(path)
    with journal.snapshot() as db:
        (pages,) = db.execute("PRAGMA page_count")[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages + 3}")
    batch = [row(9), row(9, 1), row(9, refused_by="step")]
    count, told = until_refused(lambda: journal.intend(batch))
    assert told.startswith(f"{path}: database or disk is full; nothing of it was kept; once there is space on the disk")
    assert 0 < count
    assert 5 + 3 * count == len(journal.intents())
    assert verify(journal) is None
    journal._db.execute("PRAGMA max_page_count = 1000000")
    assert [6 + 3 * count] == journal.intend([row(10)]).tolist()
    assert verify(Journal(path, read_only=True)) is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if made.returncode:
        pytest.skip("mounting takes leave that is not given here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    """The same by the file system's own word; another process finds all that was acknowledged."""
    journal = sample(small_disk / "journal.sqlite")
    count, told = until_refused(lambda: journal.intend([row(9)] * 50))
    assert "disk" in told
    assert 0 < count
    assert 5 + 50 * count == len(Journal(small_disk / "journal.sqlite", read_only=True).intents())
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    assert [6 + 50 * count] == journal.intend([row(10)]).tolist()
    assert verify(journal) is None
    journal.close()


def test_a_locked_file_refuses_and_goes_on_when_it_is_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process writes for longer than anybody waits."""
    monkeypatch.setattr(database, "PATIENCE_S", 0.05)
    journal = sample(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match=r"database is locked; nothing of it was kept; once the other process lets"):
        journal.intend([row(9)])
    assert 5 == len(journal.intents())
    other.execute("ROLLBACK")
    other.close()
    assert [6] == journal.intend([row(9)]).tolist()
    assert verify(journal) is None


def test_a_locked_schema_refuses_and_goes_on_when_it_is_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a server."""
    place = server.place()
    sample(place).close()
    monkeypatch.setattr(database, "PATIENCE_S", 2.0)
    journal, other = Journal(place), Journal(place)
    other._db.begin()
    with pytest.raises(JournalError, match=r"lock timeout; nothing of it was kept; once the other process lets go"):
        journal.intend([row(9)])
    assert 5 == len(journal.intents())
    other._db.rollback()
    assert [6] == journal.intend([row(9)]).tolist()


WRITE = """
import os, sys
from pathlib import Path
from swarm.errors import JournalError
from swarm.store.journal import Journal
if os.geteuid() == 0:  # whom no mode of a file stops
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    Journal(Path(sys.argv[1])).event(0, "hold", "FREEZE", "a person")
except JournalError as error:
    print(error)
"""


def test_a_file_that_may_only_be_read() -> None:
    """One line, and whoever may only read it reads."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        sample(path).close()
        path.chmod(0o444)
        path.parent.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", WRITE, path], capture_output=True, text=True, timeout=60,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
        )  # fmt: skip
        path.parent.chmod(0o755)
        assert ("", 1) == (done.stderr, len(done.stdout.splitlines()))
        assert f"{path}: attempt to write a readonly database; nothing of it was kept" in done.stdout
        assert verify(Journal(path, read_only=True)) is None


def test_a_damaged_file_says_what_to_do(path: Path) -> None:
    """Cut off, overwritten or of another kind: opening it is refused in one line, and it stays as it is."""
    sample(path).close()
    whole = path.read_bytes()
    for damaged in (b"no database" * 99, whole[:100] + bytes(4000) + whole[4100:], whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(JournalError, match=r"the file is damaged.*`swarm audit recover` copies what can"):
            Journal(path).intend([row(9)])
        assert path.read_bytes() == damaged


def test_what_can_be_read_of_a_damaged_file_is_copied(path: Path, tmp_path: Path) -> None:
    """A page is gone in the middle of 3,000 lines: those before and after it are in the copy, which names the gap."""
    journal = sample(path)
    journal.intend([row(9 + i // 10, i % 2, new=i) for i in range(3000)])
    before = journal.intents()
    journal.close()
    size, whole = 4096, path.read_bytes()
    leaves = [at for at in range(size, len(whole), size) if whole[at] == 13 and b"pace" in whole[at : at + size]]
    at = leaves[len(leaves) // 2]
    path.write_bytes(whole[:at] + bytes(size) + whole[at + size :])
    damaged = verify(Journal(path, read_only=True))
    assert damaged is not None
    assert damaged.what == "the line cannot be read (database disk image is malformed)"
    copy = tmp_path / "copy.sqlite"
    counts = recover(path, copy)
    assert 2900 < counts["intents"] < 3005
    assert (2, 3, 3) == (counts["campaigns"], counts["settlements"], counts["events"])
    fault = verify(Journal(copy))
    assert fault is not None
    assert ("intents", damaged.id, "the line is missing") == (fault.table, fault.id, fault.what)
    lost = 3005 - counts["intents"]
    assert before[: fault.id - 1] + before[fault.id - 1 + lost :] == Journal(copy).intents()


def test_nothing_to_recover(path: Path, tmp_path: Path) -> None:
    """A file that is no database leaves no empty journal behind."""
    path.write_bytes(b"no database" * 99)
    with pytest.raises(JournalError, match="nothing of it can be read"):
        recover(path, tmp_path / "copy.sqlite")
    assert not (tmp_path / "copy.sqlite").exists()


def test_a_server_that_dies_refuses_and_goes_on_when_it_is_back(frail: Server) -> None:
    """Killed between two writes and within one: what was acknowledged is there, the rest is absent whole."""
    place = frail.place()
    journal = sample(place)
    frail.kill()
    with pytest.raises(JournalError, match=r"^postgresql:///postgres\?schema=\w+: "):
        journal.intend([row(9)])
    with pytest.raises(JournalError):
        journal.intents()
    frail.start()
    assert [6] == journal.intend([row(9)]).tolist()  # by itself

    def half_an_hour() -> None:
        with journal.writing():
            journal.intend([row(10)])
            frail.kill()
            frail.start()
            journal.event(10, "hold", "FREEZE", "a person")

    with pytest.raises(JournalError):
        half_an_hour()
    assert 6 == len(journal.intents())
    assert [7] == journal.intend([row(11)]).tolist()
    assert verify(journal) is None
    assert verify(Journal(place)) is None


def test_a_lost_connection_is_made_again_to_read(frail: Server) -> None:
    """A read that finds the connection gone asks once more; a restart in between shows nowhere."""
    journal = sample(frail.place())
    frail.kill()
    frail.start()
    assert 5 == len(journal.intents())


def test_a_failed_statement_is_never_committed(server: Server) -> None:
    """A server answers COMMIT after a failure without an error and keeps nothing: that is no acknowledgement."""
    journal = sample(server.place())

    def go_on_regardless() -> None:
        with journal.writing() as db:
            journal.event(9, "hold", "FREEZE", "a person")
            with pytest.raises(JournalError):
                db.execute("SELECT nothing FROM nowhere")

    with pytest.raises(JournalError, match="nothing of it was kept"):
        go_on_regardless()
    assert 3 == len(journal.events(0, 99))
    journal.event(9, "hold", "FREEZE", "a person")
    assert verify(journal) is None
