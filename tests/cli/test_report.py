"""``swarm report``: where the page goes, and what is said where there is none to make."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from swarm.cli.report import command
from swarm.observe.report.gather import gather
from swarm.store.journal import Journal
from tests.observe.runs import BERLIN, EXAMPLES, play, submit

SWARM = Path(sys.executable).parent / "swarm"


def told(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def test_the_page_is_written_in_the_run_folder(folder: Path) -> None:
    """The newest run's, under a name that can be told; standard output says where."""
    result = told()
    assert (0, True) == (result.exit_code, result.stdout.startswith("runs/swarm/report.html, "))
    assert BERLIN.name in (folder / "report.html").read_text(encoding="utf-8")


def test_json_says_what_was_written(folder: Path, tmp_path: Path) -> None:
    """Place, size, and how many campaigns are shown; folders of --out are made."""
    answer = json.loads(told("--out", "pages/new/a.html", "--json").stdout)
    size = (tmp_path / "pages" / "new" / "a.html").stat().st_size
    assert {"file": "pages/new/a.html", "bytes": size, "shown": 2, "left_out": 0} == answer


def test_the_same_journal_makes_the_same_page(folder: Path) -> None:
    """Nothing of the clock on the wall is on the page."""
    pages = []
    for _ in range(2):
        assert 0 == told().exit_code
        pages.append((folder / "report.html").read_bytes())
    assert pages[0] == pages[1]


def test_the_network_is_not_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command works offline."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert 0 == told().exit_code


def test_ray_is_not_needed(folder: Path) -> None:
    """The page is made without Ray and torch in the process."""
    code = (
        "import sys; from swarm.observe.report.gather import gather; from swarm.observe.report.page import page;"
        "from swarm.store.journal import Journal; from pathlib import Path;"
        f"page(gather(Journal(Path({str(folder / 'journal.sqlite')!r}), read_only=True)));"
        "print({'ray', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "set()" == done.stdout.strip()


def test_the_journal_is_left_as_it_is(folder: Path) -> None:
    """The page is all that is new in the run folder, and reading a run does not make it the newest."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert 0 == told().exit_code
    (folder / "report.html").unlink()
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_that_was_only_read_is_not_the_newest(folder: Path) -> None:
    """What readers leave beside a journal that nobody closed does not count; what was written does."""
    other = folder.parent / "other"
    play(other).close()
    for path in [*folder.iterdir(), *other.iterdir()]:
        os.utime(path, (1, 1))
    (folder / "journal.sqlite-shm").touch()
    os.utime(other / "journal.sqlite", (2, 2))
    assert told().stdout.startswith("runs/other/report.html")


def test_a_page_while_the_run_goes_on(folder: Path) -> None:
    """The journal is open elsewhere, with writes that are in its log alone."""
    writer = Journal(folder / "journal.sqlite")
    writer.tick(72, "2026-03-04T23:00:00+00:00", "STABLE", 1.0, {})
    assert 0 == told().exit_code
    assert "stopped after 73" in (folder / "report.html").read_text(encoding="utf-8").replace("\xa0", " ")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--folder", "elsewhere"], 2, "elsewhere has no journal; run folders that have one: runs/swarm"),
        (["--out", "runs/swarm"], 1, "runs/swarm: Is a directory"),
        (["--style", "x"], 2, "No such option"),
    ],
)
def test_wrong_input(folder: Path, words: list[str], status: int, message: str) -> None:
    """The exit status says whose fault it is, the message what is wrong."""
    result = told(*words)
    assert (status, True) == (result.exit_code, message in result.stderr)


def test_a_run_that_has_not_begun(tmp_path: Path) -> None:
    """Status 1, and why there is no page."""
    journal = Journal(tmp_path / "journal.sqlite")
    assert "no campaign has been submitted" in told("--folder", str(tmp_path)).stderr
    submit(journal)
    result = told("--folder", str(tmp_path))
    assert (1, True) == (result.exit_code, "no market hour of this run is over yet" in result.stderr)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.cluster
@pytest.mark.slow
def test_the_page_of_a_real_run_has_its_results(tmp_path: Path) -> None:
    """What `swarm run` measured is what the page shows: seed, days, hindsight, baselines by day, and the sums."""
    specs = [str(EXAMPLES / f"{name}.yaml") for name in ("hearth-kettle-sales", "alpenruf-sommer-sales")]
    words = ["run", *specs, "--days", "2", "--seed", "3", "--json", "run.json"]
    subprocess.run([SWARM, *words], cwd=tmp_path, capture_output=True, timeout=240, check=True)
    result = json.loads((tmp_path / "run.json").read_text())
    found = gather(Journal(Path(result["folder"]) / "journal.sqlite", read_only=True))
    assert (3, 2, True) == (found.seed, len(found.days), found.over)
    assert found.truth is not None
    assert result["hindsight_ratio"] == pytest.approx(found.truth.ratio)
    assert result["baselines"] == pytest.approx({name: each.sum() for name, each in found.truth.rivals.items()})
    parts = {each.spec.name: each.truth for each in found.campaigns}
    for row in result["by_campaign"]:
        truth = parts[row["name"]]
        assert truth is not None
        assert (row["value"], row["hindsight_value"]) == pytest.approx((truth.value.sum(), truth.best.sum()))
    spent = {each.currency: float(each.spend.sum()) for each in found.currencies}
    assert spent == pytest.approx(result["spend_by_currency"], rel=0.05)  # the last hours are not reported yet
    done = subprocess.run([SWARM, "report", "--json"], cwd=tmp_path, capture_output=True, timeout=60, check=True)
    assert 2 == json.loads(done.stdout)["shown"]
