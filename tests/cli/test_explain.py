"""``swarm explain`` on a journal that the real door wrote."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from swarm.alarms import Alarm
from swarm.cli.explain import command
from swarm.cli.timeline import grouped
from swarm.observe.explain import Move
from swarm.store.journal import Journal
from tests.observe.runs import BERLIN, FROZEN, play, story


def told(*words: str) -> Result:
    return CliRunner().invoke(command, [BERLIN.name, *words])


def objects(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(told("--json", *words).stdout)
    return found


def test_json_has_every_move_once(folder: Path) -> None:
    """No grouping for programs: as many moves as the journal has intents of the campaign."""
    intents = [each["intent"] for each in objects() if each["kind"] == "move"]
    assert len(intents) == len(set(intents)) == 17
    assert {"move", "mode", "split"} == {each["kind"] for each in objects()}


def test_json_has_money_as_text_and_shares_as_fractions(folder: Path) -> None:
    """Exact decimals of the campaign's currency, as campaign files have them."""
    first, _, share, status = [each for each in objects() if each["kind"] == "move"][:4]
    assert ("0.00", "100.00", "100.00", "EUR") == (first["old"], first["new"], first["read_back"], first["currency"])
    assert (0.0, 0.25) == (share["old"], share["new"])
    assert ("paused", "delivering") == (status["old"], status["new"])


def test_text_says_why_and_what_came_of_it(folder: Path) -> None:
    """Refusals with their promise, fates, the change of mode and the split are all there."""
    text = " ".join(told().stdout.replace("│", " ").split())
    for words in (
        "refused by step: No",
        "unverified",
        "void",
        "open",
        "STABLE -> FREEZE",
        "this campaign is one of them",
        "why the next day's split",
        "240.00 -> 480.00 EUR",
        "17 moves, 1 of them refused; 1 changes of mode",
    ):
        assert words in text


def test_text_names_the_charts_that_changed_the_mode(folder: Path) -> None:
    """Each in words of its own, beside the campaigns that moved the signals."""
    journal = Journal(folder / "journal.sqlite")
    alarm = asdict(Alarm("volume", "meta", 2.1, 1, 8.04, 6.17))
    journal.tick(FROZEN, "2026-03-03T05:00:00+00:00", "FREEZE", 0.1, {"charts": [alarm], "culprits": [BERLIN.name]})
    text = " ".join(told().stdout.replace("│", " ").split())
    assert "meta: prices and volume 210 %" in text
    assert [[str(Alarm(**alarm))]] == [each["charts"] for each in objects() if each["kind"] == "mode"]


def test_no_line_is_wider_than_a_pipe(folder: Path) -> None:
    """Nothing is cut off at the right."""
    lines = told().stdout.splitlines()
    assert all(line.rstrip()[-1] in "│┃┓┩┤┘" for line in lines[1:-1])


def test_small_moves_of_a_day_are_one_line(tmp_path: Path) -> None:
    """Five bids of one channel, and five shares; everything else stands alone; --all lists each by itself."""
    events = story(play(tmp_path))
    lines = grouped(events)
    assert sorted(events, key=id) == sorted((event for line in lines for event in line), key=id)
    several = [line for line in lines if len(line) > 1]
    assert [("bid", 5), ("weight", 5)] == [(line[0].field, len(line)) for line in several if isinstance(line[0], Move)]


def test_all_has_a_line_for_every_move(folder: Path) -> None:
    """Nothing is grouped."""
    assert "5 moves" in told().stdout
    assert "5 moves" not in told("--all").stdout


def test_a_span(folder: Path) -> None:
    """Both ends of it, in local dates."""
    assert {24, 25, 26, 27, 28, 29, 31, 32} == {
        each["tick"] for each in objects("--since", "2026-03-03", "--until", "2026-03-03") if each["kind"] == "move"
    }
    assert [72] == [each["tick"] for each in objects("--since", "12h") if each["kind"] == "move"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--since", "3 days"], "did you mean '3d'?"),
        (["--until", "2026-3-3"], "did you mean '2026-03-03'?"),
        (["--since", "2026-03-04", "--until", "2026-03-03"], "--since 2026-03-04 is not before --until 2026-03-03"),
        (["--folder", "elsewhere"], "elsewhere has no journal; run folders that have one: runs/swarm"),
        (["--folder", "runs"], "runs has no journal; run folders that have one: runs/swarm"),
    ],
)
def test_wrong_input(folder: Path, words: list[str], message: str) -> None:
    """Exit status 2, and what would have been right."""
    result = told(*words)
    assert (2, True) == (result.exit_code, message in result.stderr)


def test_an_unknown_campaign_gets_the_nearest_name(folder: Path) -> None:
    """A slip of a letter is enough to be told."""
    result = CliRunner().invoke(command, [BERLIN.name[1:]])
    assert (2, True) == (result.exit_code, f"did you mean {BERLIN.name!r}?" in result.stderr)


def test_without_any_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing below the store folder is said, not traced."""
    monkeypatch.chdir(tmp_path)
    result = told()
    assert (2, True) == (result.exit_code, "no run folder below runs has a journal" in result.stderr)


def test_what_is_no_journal(tmp_path: Path) -> None:
    """A file of another kind ends with status 1."""
    (tmp_path / "journal.sqlite").write_text("not a database, but longer than its header would be" * 9)
    assert 1 == told("--folder", str(tmp_path)).exit_code


def test_the_newest_run_is_the_default(folder: Path) -> None:
    """Newest is what was written last; its log of writes counts."""
    other = play(folder.parent / "other")
    for path in [*folder.iterdir(), folder.parent / "other" / "journal.sqlite"]:
        os.utime(path, (1, 1))
    other.tick(72, "2026-03-04T23:00:00+00:00", "STABLE", 1.0, {})
    assert ["FREEZE", "STABLE"] == [each["new"] for each in objects() if each["kind"] == "mode"]
    assert ["FREEZE"] == [each["new"] for each in objects("--folder", str(folder)) if each["kind"] == "mode"]


def test_the_journal_is_left_as_it_is(folder: Path) -> None:
    """Nothing is written in the run folder, not even beside the journal."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert 0 == told().exit_code
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
