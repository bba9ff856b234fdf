"""Notices: what people are told without asking, and what stops because of it.

An alert that does not also stop is no control, so what each kind stops stands beside it here.
"""

from __future__ import annotations

import json
import queue
import threading
import time
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from swarm.spec.secrets import resolve

_WAITING = 256
"""Most posts that wait; one more is dropped, and the log says so."""


class Stop(StrEnum):
    """What an alert stops."""

    NOTHING = "nothing"
    PAUSE = "pause"
    """Pause the campaigns that it is about, until a person resumes them."""
    KILL = "kill"
    """Throw the kill switch: nothing is written but pauses until a person releases it."""


STOPS: Mapping[str, Stop] = MappingProxyType(
    {
        "overspend": Stop.PAUSE,  # a cap was passed in spite of the guards: what they rest on is wrong there
        "journal_altered": Stop.KILL,  # nobody can say any more what is in force, or what was allowed
        "freeze": Stop.NOTHING,  # it is the stop itself
        "kill_switch": Stop.NOTHING,  # so is this
        "store_error": Stop.NOTHING,  # what cannot be written down is not done: the door stops by itself
        "unknown_outcome": Stop.NOTHING,  # the door writes to that campaign nothing but pauses until it is settled
        "drift": Stop.NOTHING,  # hand edits win: plans are void, and the setting's cooldown begins again
        "cap_refusals": Stop.NOTHING,  # each was stopped by its guard; a campaign at its cap is refused every hour
        "digest": Stop.NOTHING,
    }
)
"""What each kind of notice stops beside being told."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people are told."""

    kind: str
    """One of ``STOPS``."""
    tick: int
    """The market hour."""
    text: str
    """In one line."""
    campaigns: tuple[str, ...] = ()
    """Those that it is about; none for the whole swarm."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The numbers behind it, ready for JSON."""

    @property
    def stops(self) -> Stop:
        """What stops because of it."""
        return STOPS[self.kind]

    def as_dict(self, swarm: str) -> dict[str, Any]:
        """For JSON; ``text`` is what receivers of chat messages show."""
        return {"swarm": swarm, **asdict(self), "facts": dict(self.facts), "stops": str(self.stops)}


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook, by the reference of its URL."""

    url_ref: str
    campaign: str | None = None
    """Told of this campaign and of the whole swarm alone; None is told everything."""

    def wants(self, notice: Notice) -> bool:
        """Whether it is told."""
        return self.campaign is None or not notice.campaigns or self.campaign in notice.campaigns


class Notifier:
    """Tells notices: to a file at once, to webhooks from a thread of its own, which no hour waits for.

    Guarantees: ``tell`` never waits for a network. A post has ``timeout_s`` for each of its steps and is tried twice;
    what fails or does not fit is counted and logged by its reference, never by its URL.
    """

    def __init__(self, swarm: str, file: Path, hooks: Sequence[Hook], log: Any, *, timeout_s: float) -> None:
        """``log``: a structlog logger."""
        self._swarm, self._file, self._log, self._timeout_s = swarm, file, log, timeout_s
        self.hooks = list(hooks)
        self.failed = 0
        """Posts that did not get there."""
        self._queue: queue.Queue[tuple[Hook, bytes] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._work, name="notices", daemon=True)
        self._thread.start()

    def tell(self, notices: Iterable[Notice]) -> None:
        """Keep ``notices`` in the file and have them posted."""
        for notice in notices:
            body = json.dumps(notice.as_dict(self._swarm), default=str).encode()
            self._keep(body)
            for hook in filter(lambda hook: hook.wants(notice), self.hooks):
                try:
                    self._queue.put_nowait((hook, body))
                except queue.Full:
                    self._fail(hook, "too many wait")

    def close(self, deadline_s: float) -> None:
        """Post what waits, for so long and no longer."""
        until = time.monotonic() + deadline_s
        try:
            self._queue.put(None, timeout=deadline_s)
        except queue.Full:
            return
        self._thread.join(max(until - time.monotonic(), 0.0))

    def _keep(self, body: bytes) -> None:
        try:
            with self._file.open("ab") as file:
                file.write(body + b"\n")
        except OSError as error:
            self._log.error("notice_not_kept", file=str(self._file), error=error.strerror)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            hook, body = item
            # The second try is made where the first had a problem, and there alone.
            if problem := _problem(hook, body, self._timeout_s) and _problem(hook, body, self._timeout_s):
                self._fail(hook, problem)

    def _fail(self, hook: Hook, why: str) -> None:
        self.failed += 1
        self._log.error("notice_not_posted", webhook=hook.url_ref, why=why)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Where a secret URL leads is not for its receiver to say."""

    def redirect_request(self, *_: Any) -> None:
        """Take the redirection for the answer."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _problem(hook: Hook, body: bytes, timeout_s: float) -> str:
    """Post once; what went wrong, in words that cannot hold the URL, or an empty text."""
    try:
        url = resolve(hook.url_ref).reveal()
    except ValueError as error:
        return str(error)
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            return f"{hook.url_ref}: is no http or https URL"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked above
        with _OPENER.open(request, timeout=timeout_s):
            return ""
    except HTTPError as error:
        return f"answered with status {error.code}"
    except URLError as error:
        return type(error.reason).__name__
    except (OSError, HTTPException, ValueError) as error:
        return type(error).__name__
