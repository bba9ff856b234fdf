"""One campaign's story from the journal: every move with its reason, its judgement, its fate and what followed.

Letters: C channels, T hours.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from swarm.alarms import Alarm
from swarm.effects.guards import GUARDS
from swarm.effects.ledger import Ledger
from swarm.effects.proposals import Field
from swarm.observe.span import HOUR, LocalClock
from swarm.platforms.channels import FOUR
from swarm.platforms.protocol import Channel
from swarm.spec.campaign import Campaign
from swarm.spec.config import SharedCaps
from swarm.spec.sections import Caps
from swarm.store.journal import Journal

BESIDE_H = 24
"""Market hours before and after a move that are compared."""
REASONS: Mapping[str, str] = {
    "allocate": "money goes where it buys most next",
    "pace": "bid follows click value and money's price",
    "rotate": "a share is the chance of being the best",
    "deliver": "there is money and nothing delivers",
    "rest": "no money today, or paused by a person",
    "down": "a person stopped all delivery",
    "rollback": "a person restores what was in force before",
}
"""Reason codes in words."""
_BY_PEOPLE = ("down", "rollback")
_OF_A_CAMPAIGN = ("pause", "resume", "stopped", "approved", "applied", "rejected")
_FIELDS = [field.name.lower() for field in Field]
_DOCS = {**GUARDS, "known": Ledger.knows}
_SHARED = {"shared_daily": "daily_exposure", "shared_monthly": "monthly"}


@dataclass(frozen=True, slots=True)
class Window:
    """What a channel reported in some hours of its own."""

    hours: int
    """How many of them are reported by now."""
    spend: float
    """Currency units."""
    clicks: float
    conversions: float


@dataclass(frozen=True, slots=True)
class Move:
    """One write that was asked for, and what became of it."""

    intent: int
    tick: int
    time: datetime
    channel: str
    field: str
    """budget, bid, weight or status."""
    creative: str
    """Empty but for a weight."""
    old: int
    """Micros, parts per million, or 0 and 1, as ``Field`` says; so are ``new`` and ``read_back``."""
    new: int
    read_back: int | None
    reason: str
    click_value: float
    """Goal units per click."""
    money_price: float
    """Goal units per currency unit."""
    mode: str
    epoch: int
    proposed_by: str
    refused_by: str
    """A guard, or empty."""
    state: str
    """refused, open, applied, unverified or void."""
    before: Window
    after: Window


@dataclass(frozen=True, slots=True)
class ModeChange:
    """The whole portfolio changed its mode."""

    tick: int
    time: datetime
    old: str
    new: str
    coherence: float | None
    """None where health was missing."""
    culprits: tuple[str, ...]
    """Campaigns that moved the health signals most, worst first."""
    involved: bool
    """Whether this campaign is one of them."""
    charts: tuple[str, ...] = ()
    """The charts that were above their limits, in words."""


@dataclass(frozen=True, slots=True)
class Split:
    """Why the next day's money is split as it is, told in the last hour of a local day."""

    tick: int
    time: datetime
    price: float
    """Marginal return of the channels off their bounds, goal units per currency unit."""
    marginal: Mapping[str, float]
    """The same of each channel."""
    at_minimum: tuple[str, ...]
    at_maximum: tuple[str, ...]
    gain_over_equal: float
    """Goal units a day above those of the equal split."""
    gain_over_current: float


NOTICES = {
    "hold": "a person held {}",
    "release": "a person released the mode, {} until the gate says otherwise",
    "pause": "a person paused {}",
    "resume": "a person resumed {}",
    "stopped": "{} paused until a person resumes it: its reported spend passed a cap",
    "approved": "a person approved a plan of {}",
    "applied": "a person had a plan of {} written",
    "rejected": "a person rejected a plan of {}",
    "kill_thrown": "a person threw the kill switch of {}",
    "kill_released": "a person released the kill switch of {}",
    "quarantine": "{} put in quarantine",
    "trusted": "{} out of quarantine",
}
"""Notices in words, by what they tell."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What no hour shows by itself: what a person asked for, or an actor that was put in quarantine."""

    tick: int
    time: datetime
    what: str
    """One of ``NOTICES``."""
    subject: str
    """A mode, a campaign, an actor or a swarm."""
    why: str


Event = Move | ModeChange | Split | Notice


def clock_of(journal: Journal, campaign: Campaign) -> LocalClock:
    """The run's hours on a campaign's clock.

    Raises:
        ValueError: no market hour is over yet.
    """
    newest = journal.last_tick()
    if (hour := journal.hour(newest)) is None:
        raise ValueError(f"{journal.place}: no market hour of this run is over yet")
    return LocalClock(datetime.fromisoformat(hour[0]) - newest * HOUR, newest, ZoneInfo(campaign.time_zone))


def explain(journal: Journal, row: int, campaign: Campaign, clock: LocalClock, first: int, end: int) -> list[Event]:
    """All that happened to the campaign in ``row`` from hour ``first`` to before ``end``, in order of time."""
    end = min(end, clock.newest + 2)  # the hour that runs has moves already
    first = max(first, 0)
    moves = _moves(journal, row, campaign, clock, first, end)
    told: list[Event] = [
        *_notices(journal, campaign, clock, first, end),
        *_mode_changes(journal, campaign, clock, first, end),
        *_splits(journal, campaign, clock, first, end),
    ]
    return sorted([*told, *moves], key=lambda event: event.tick)


def promise(guard: str) -> str:
    """What a guard stands for: the first sentence of its own documentation, or its cap's description."""
    if guard in Caps.model_fields:
        return str(Caps.model_fields[guard].description)
    if guard in _SHARED:
        return str(SharedCaps.model_fields[_SHARED[guard]].description)
    text = " ".join((inspect.getdoc(_DOCS[guard]) or "").split()) if guard in _DOCS else ""
    return re.split(r"\.(?: |$)", re.sub(r"^\[\w+\] ", "", text))[0]


def channels_of(journal: Journal) -> tuple[Channel, ...]:
    """The run's channels; journals from before they were kept are of the four platforms."""
    kept = json.loads(journal.recall("channels") or "[]")
    return tuple(Channel(**{**item, "over_delivery": tuple(item["over_delivery"])}) for item in kept) or FOUR


class _Reported:
    """A campaign's reported hours, summed up so that any window is one subtraction."""

    def __init__(
        self, journal: Journal, row: int, channels: tuple[Channel, ...], clock: LocalClock, first: int, end: int
    ) -> None:
        """For windows beside moves from hour ``first`` to before ``end``."""
        self._over = [max(clock.newest - channel.report_lag_h, 0) for channel in channels]  # [C] reported before these
        self._first = max(first - BESIDE_H, 0)
        hours = max(end + BESIDE_H - self._first, 0)
        sums = np.zeros((hours + 1, len(channels), 3))  # [T, C, 3] before each hour
        for tick, channel, *measured in journal.reported(row, self._first, self._first + hours):
            sums[tick + 1 - self._first, channel] = measured
        self._sums = sums.cumsum(axis=0)

    def window(self, channel: int, first: int, end: int) -> Window:
        """What ``channel`` reported from hour ``first`` to before ``end``."""
        if not 0 <= channel < len(self._over):  # a write to nowhere, which the door refused
            return Window(0, 0.0, 0.0, 0.0)
        first, end = (min(max(tick, 0), self._over[channel]) for tick in (first, end))
        later, earlier = self._sums[[end - self._first, first - self._first], channel]
        return Window(end - first, *(later - earlier).round(6).tolist())


def _moves(journal: Journal, row: int, campaign: Campaign, clock: LocalClock, first: int, end: int) -> list[Move]:
    channels, creatives = channels_of(journal), [creative.id for creative in campaign.creatives]
    reported = _Reported(journal, row, channels, clock, first, end)
    return [_move(told, channels, creatives, clock, reported) for told in journal.moves(row, first, end)]


def _move(
    told: Sequence[Any], channels: tuple[Channel, ...], creatives: list[str], clock: LocalClock, reported: _Reported
) -> Move:
    id_, tick, _, channel, field, creative, old, new, reason, estimate, price, epoch, mode, guard, state, back = told
    platform = _name([item.platform for item in channels], channel)
    return Move(
        intent=id_, tick=tick, time=clock.local(tick), channel=_name([item.name for item in channels], channel),
        field=_name(_FIELDS, field), creative=_name(creatives, creative) if field == Field.WEIGHT else "", old=old,
        new=new, read_back=back, reason=reason, click_value=estimate, money_price=price, mode=mode, epoch=epoch,
        proposed_by="a person" if reason in _BY_PEOPLE else f"{platform} agent", refused_by=guard,
        state="open" if state == "intended" else state, before=reported.window(channel, tick - BESIDE_H, tick),
        after=reported.window(channel, tick, tick + BESIDE_H),
    )  # fmt: skip


def _name(names: list[str], index: int) -> str:
    """The name at ``index``; the door keeps refusals of writes to nowhere as well."""
    return names[index] if 0 <= index < len(names) else f"no. {index}"


def _notices(journal: Journal, campaign: Campaign, clock: LocalClock, first: int, end: int) -> list[Notice]:
    told = journal.events(first, end)
    return [
        Notice(tick, clock.local(tick), what, subject, why)
        for tick, what, subject, why in told
        if what not in _OF_A_CAMPAIGN or subject == campaign.name
    ]


def holds(journal: Journal, first: int, end: int) -> set[tuple[int, str]]:
    """Market hour and mode of every hold by a person from hour ``first`` to before ``end``."""
    return {(tick, subject) for tick, what, subject, _ in journal.events(first, end) if what == "hold"}


def demanded_by(tick: int, mode: str, evidence: Mapping[str, Any], held: Set[tuple[int, str]]) -> str:
    """Who, other than the gate, brought ``mode`` about in an hour: a person, a quarantine, or nobody (empty)."""
    if (tick, mode) in held:
        return "a person"
    return "a quarantine" if evidence.get("floor") == mode else ""


def _mode_changes(journal: Journal, campaign: Campaign, clock: LocalClock, first: int, end: int) -> list[ModeChange]:
    """The gate's own; what others demanded is told as that."""
    held, found = holds(journal, first, end), []
    for tick, old, new in journal.mode_changes(first, end):
        if (hour := journal.hour(tick)) and not demanded_by(tick, new, hour[2], held):
            culprits = tuple(hour[2].get("culprits", ()))
            involved = campaign.name in culprits
            charts = charts_of(hour[2])
            found.append(ModeChange(tick, clock.local(tick), old, new, hour[1], culprits, involved, charts))
    return found


def charts_of(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    """The charts that stood above their limits in an hour, in words; hours of before they were kept have none."""
    return tuple(str(Alarm(**item)) for item in evidence.get("charts", ()))


def causes(charts: Sequence[str], culprits: Sequence[str]) -> list[str]:
    """Why the gate changed the mode, a line each."""
    moved = [f"signals moved most by {', '.join(culprits)}"] if culprits else []
    return [*charts, *moved] or ["no chart is above its limit, no campaign stands out"]


def _splits(journal: Journal, campaign: Campaign, clock: LocalClock, first: int, end: int) -> list[Split]:
    hours = {tick: journal.hour(tick) for tick in range(first, end) if clock.ends_day(tick)}
    proofs = {tick: hour[2].get("allocation", {}).get(campaign.name) for tick, hour in hours.items() if hour}
    return [
        Split(
            tick, clock.local(tick), proof["price"], proof["marginal"], tuple(proof["at_minimum"]),
            tuple(proof["at_maximum"]), proof["gain_over_equal"], proof["gain_over_current"],
        )
        for tick, proof in proofs.items()
        if proof
    ]  # fmt: skip
