"""Notices on their way to people: a file, and webhooks that may fail in every way a server can."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from swarm.cli.report import command as report
from swarm.observe.logging import configure_logging
from swarm.observe.notices import STOPS, Hook, Notice, Notifier, Stop
from swarm.spec.secrets import resolve
from tests.observe.hooks import HANG, WAIT_S, Receiver, receiver
from tests.observe.runs import play

CANARY = "canary-b3c1d9e7"
SOON_S = 0.5
"""Longest wait for an answer here; a server that hangs is given no more."""
FROZEN = Notice("freeze", 7, "mode STABLE -> FREEZE", facts={"before": "STABLE"})
Make = Callable[..., Notifier]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver whose URL is a secret in the environment."""
    with receiver(CANARY) as made:
        monkeypatch.setenv("SWARM_TEST_HOOK", made.url)
        yield made


@pytest.fixture
def notifier(tmp_path: Path) -> Iterator[Make]:
    """Makes notifiers of a run folder with hooks; they end with the test."""
    made: list[Notifier] = []

    def make(*hooks: Hook) -> Notifier:
        log = configure_logging("swarm", "coordinator", tmp_path)
        given = hooks or (Hook("env:SWARM_TEST_HOOK"),)
        made.append(Notifier("swarm", tmp_path / "notices.jsonl", given, log, timeout_s=SOON_S))
        return made[-1]

    yield make
    for each in made:
        each.close(WAIT_S)


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "logs" / "coordinator.jsonl").read_text().splitlines()]


def test_a_notice_is_posted_and_kept(hook: Receiver, notifier: Make, tmp_path: Path) -> None:
    """The same object, a line in the file; its text is where chats look for it, and it says what it stops."""
    notifier().tell([FROZEN])
    path, body = hook.next()
    assert (f"/{CANARY}", FROZEN.text) == (path, body["text"])
    kept = [json.loads(line) for line in (tmp_path / "notices.jsonl").read_text().splitlines()]
    assert [body] == kept
    assert ("swarm", "freeze", 7, {"before": "STABLE"}, "nothing") == tuple(
        body[name] for name in ("swarm", "kind", "tick", "facts", "stops")
    )


def test_it_is_tried_once_more(hook: Receiver, notifier: Make, tmp_path: Path) -> None:
    """After a server's fault; what gets there then has not failed, and nothing is posted a third time."""
    one = notifier()
    hook.answers.put(500)
    one.tell([FROZEN])
    assert hook.next() == hook.next()
    one.close(WAIT_S)
    assert (0, True) == (one.failed, hook.posts.empty())
    assert [] == logged(tmp_path)


def test_what_succeeds_is_posted_once(hook: Receiver, notifier: Make) -> None:
    """A second try is for failures alone."""
    one = notifier()
    one.tell([FROZEN])
    one.close(WAIT_S)
    assert 1 == hook.posts.qsize()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((500, 404), "answered with status 404"),
        ((302, 307), "answered with status 307"),
        ((HANG, HANG), "TimeoutError"),
    ],
)
def test_what_fails_twice_is_logged_and_let_go(
    answers: tuple[int, ...], said: str, hook: Receiver, notifier: Make, tmp_path: Path
) -> None:
    """By its reference alone; a redirection is not followed, and the next notice gets there."""
    one = notifier()
    for answer in answers:
        hook.answers.put(answer)
    began = time.monotonic()
    one.tell([FROZEN, Notice("drift", 8, "next")])
    assert SOON_S > time.monotonic() - began
    assert ["mode STABLE -> FREEZE"] * 2 + ["next"] == [hook.next()[1]["text"] for _ in range(3)]
    one.close(WAIT_S)
    (line,) = logged(tmp_path)
    assert ("notice_not_posted", "env:SWARM_TEST_HOOK", said) == (line["event"], line["webhook"], line["why"])
    assert 1 == one.failed


def test_the_hour_waits_for_no_server(hook: Receiver, notifier: Make) -> None:
    """A thousand notices to one that hangs: told at once, the queue is bounded, and what does not fit is counted."""
    one = notifier()
    hook.answers.put(HANG)
    hook.answers.put(HANG)
    one.tell([FROZEN])
    hook.next()  # the thread is waiting for the answer now
    began = time.monotonic()
    one.tell([FROZEN] * 1000)
    assert 2 * SOON_S > time.monotonic() - began
    assert 700 < one.failed < 1000
    one.hooks.clear()


@pytest.mark.parametrize("value", ["", f"ftp://{CANARY}", f"http://{CANARY}:x/", f"//{CANARY}", f"http://\n{CANARY}"])
def test_a_url_that_is_none_is_not_shown(
    value: str, notifier: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the secret holds, the log has its reference."""
    monkeypatch.setenv("SWARM_TEST_HOOK", value)
    one = notifier()
    one.tell([FROZEN])
    one.close(WAIT_S)
    (line,) = logged(tmp_path)
    assert "env:SWARM_TEST_HOOK" == line["webhook"]
    assert CANARY not in json.dumps(line)


def test_a_campaigns_hook_hears_of_it_and_of_the_whole(hook: Receiver, notifier: Make) -> None:
    """Not of other campaigns."""
    notifier(Hook("env:SWARM_TEST_HOOK", "mine")).tell(
        [Notice("drift", 1, "theirs", ("theirs",)), Notice("drift", 2, "ours", ("theirs", "mine")), FROZEN]
    )
    assert ["ours", FROZEN.text] == [hook.next()[1]["text"] for _ in range(2)]


def test_a_file_that_cannot_be_written_is_logged(hook: Receiver, notifier: Make, tmp_path: Path) -> None:
    """The webhook is told all the same."""
    (tmp_path / "notices.jsonl").mkdir()
    notifier().tell([FROZEN])
    hook.next()
    assert ["notice_not_kept"] == [line["event"] for line in logged(tmp_path)]


def test_what_an_alert_stops_is_said_in_code() -> None:
    """A journal that was altered throws the kill switch, a passed cap pauses its campaigns; no other kind exists."""
    assert {"journal_altered": Stop.KILL, "overspend": Stop.PAUSE} == {
        kind: stop for kind, stop in STOPS.items() if stop != Stop.NOTHING
    }
    with pytest.raises(KeyError):
        _ = Notice("misspelt", 1, "").stops


def test_the_canary_is_nowhere(
    hook: Receiver, notifier: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """After posts that worked and failed in every way: not in logs, events, errors, journal, report or output."""
    journal = play(tmp_path)
    journal.event(1, "kill_thrown", "env:SWARM_TEST_HOOK", "a person")
    one = notifier(Hook("env:SWARM_TEST_HOOK"), Hook("env:SWARM_NOT_SET"), Hook(f"file:{tmp_path.parent}/hook"))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        (tmp_path.parent / "hook").write_text(f"http://127.0.0.1:{closed.getsockname()[1]}/{CANARY}\n")
        for answer in (500, 302, HANG, 404):
            hook.answers.put(answer)
        one.tell([FROZEN, Notice("drift", 8, "next"), Notice("digest", 9, "last")])
        one.close(WAIT_S)
    assert hook.next()[0] == f"/{CANARY}"
    assert 6 < one.failed + hook.posts.qsize()
    monkeypatch.setenv("SWARM_TEST_HOOK", "")
    with pytest.raises(ValueError, match="SWARM_TEST_HOOK") as caught:
        resolve("env:SWARM_TEST_HOOK")
    assert report.callback is not None
    report.callback(tmp_path, None, None, as_json=False)
    journal.close()
    shown = capfd.readouterr()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"journal.sqlite", "notices.jsonl", "coordinator.jsonl", "report.html"} <= {path.name for path in files}
    assert [] == [path.name for path in files if CANARY.encode() in path.read_bytes()]
    assert CANARY not in f"{shown.out}{shown.err}{caught.value!r}{one.hooks!r}"
