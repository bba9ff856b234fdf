"""The watch: what of an hour people should be told, and the day's digest, from the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm.effects.door import KILL_FILE
from swarm.observe.notices import Notice
from swarm.spec.campaign import Campaign
from swarm.spec.config import Notifications
from swarm.spec.money import format_micros
from swarm.spec.sections import Caps
from swarm.store.edits import edits
from swarm.store.journal import Journal

_DAY_H = 24
_CAPS = {*Caps.model_fields, "shared_daily", "shared_monthly"}
_LISTED = ("moves", "refused", "mode_hours")
_STATES = ("applied", "unverified", "void", "intended")


class Watch:
    """Looks at each hour once it is in the journal; each thing is told once, when it begins."""

    def __init__(self, journal: Journal, folder: Path, settings: Notifications) -> None:
        """``folder``: where the kill switch is looked for."""
        self._journal, self._folder, self._settings = journal, folder, settings
        self._killed = False
        self._open_since: dict[int, float] = {}
        self._told: set[int] = set()
        self._by_caps: dict[int, int] = {}

    def hour(self, tick: int, now_s: float) -> list[Notice]:
        """What hour ``tick`` has to tell, at ``now_s`` seconds of any clock that only goes forward."""
        names = [name for name, _, _ in self._journal.campaigns()]
        found = [*self._kill_switch(tick), *self._freeze(tick), *self._cap_refusals(tick, len(names))]
        found += [*self._drift(tick, names), *self._unknown(tick, now_s, names)]
        return [*found, digest(self._journal, tick)] if tick % _DAY_H == _DAY_H - 1 else found

    def _kill_switch(self, tick: int) -> list[Notice]:
        before, self._killed = self._killed, (self._folder / KILL_FILE).exists()
        if self._killed == before:
            return []
        text = "kill switch thrown: nothing is written but pauses" if self._killed else "kill switch released"
        return [Notice("kill_switch", tick, text)]

    def _freeze(self, tick: int) -> list[Notice]:
        return [
            Notice("freeze", tick, f"mode {old} -> {new}: nothing is written but pauses", facts={"before": old})
            for _, old, new in self._journal.mode_changes(tick, tick + 1)
            if new == "FREEZE"
        ]

    def _cap_refusals(self, tick: int, campaigns: int) -> list[Notice]:
        """When the last 24 hours come to have as many, for each campaign in the mean, as the settings say."""
        span = range(max(tick - _DAY_H, 0), tick + 1)
        for hour in set(span) - set(self._by_caps):
            self._by_caps[hour] = sum(n for name, n in self._journal.batch(hour).items() if name in _CAPS)
        hours = [self._by_caps[hour] for hour in span]
        least = self._settings.cap_refusals * campaigns
        now, before = sum(hours[-_DAY_H:]), sum(hours[:-1])
        if now < least or before >= least:
            return []
        text = f"caps refused {now} writes within 24 hours, {campaigns} campaigns in all"
        return [Notice("cap_refusals", tick, text, facts={"refusals": now})]

    def _drift(self, tick: int, names: Sequence[str]) -> list[Notice]:
        count = Counter(names[campaign] for _, campaign, *_ in edits(self._journal, tick, tick + 1))
        return [
            Notice("drift", tick, f"{name}: {settings} settings changed by others; `swarm drift` shows them", (name,))
            for name, settings in count.items()
        ]

    def _unknown(self, tick: int, now_s: float, names: Sequence[str]) -> list[Notice]:
        open_ = {id_: names[campaign] for id_, campaign, *_ in self._journal.unsettled()}
        self._open_since = {id_: self._open_since.get(id_, now_s) for id_ in open_}
        old = {id_ for id_, since in self._open_since.items() if now_s - since >= self._settings.unknown_s}
        count = Counter(open_[id_] for id_ in old - self._told)
        self._told = old
        return [
            Notice("unknown_outcome", tick, f"{name}: what became of {writes} writes is not known yet", (name,))
            for name, writes in count.items()
        ]


def overspends(campaigns: Sequence[Campaign], spent: Mapping[str, NDArray[np.int64]], tick: int) -> list[Notice]:
    """Campaigns whose reported spend has passed one of their caps: a platform's fault, or somebody's edit.

    ``spent``: micros [R] by the name of the cap that they are held against.
    """
    return [
        _overspend(campaign, name, int(spent[name][row]), cap, tick)
        for row, campaign in enumerate(campaigns)
        for name, cap in campaign.caps_micros.items()
        if name in spent and spent[name][row] > cap
    ]


def _overspend(campaign: Campaign, name: str, spent: int, cap: int, tick: int) -> Notice:
    amounts = [format_micros(value, campaign.currency) for value in (spent, cap)]
    text = f"{campaign.name}: reported spend {amounts[0]} {campaign.currency} passes caps.{name}, {amounts[1]}"
    return Notice("overspend", tick, text, (campaign.name,), {"cap": name, "spent_micros": spent, "cap_micros": cap})


def digest(journal: Journal, tick: int) -> Notice:
    """The last 24 hours up to ``tick``: spend, moves, refusals by guard, hours by mode, edits of others."""
    first, end = max(tick + 1 - _DAY_H, 0), tick + 1
    results: Counter[str] = Counter()
    for hour in range(first, end):
        results.update(journal.batch(hour))
    facts: dict[str, Any] = {
        "hours": [first, end],
        "spend": _spend(journal, first, end),
        "moves": {state: results[state] for state in _STATES if results[state]},
        "refused": {name: count for name, count in sorted(results.items()) if name not in _STATES},
        "mode_hours": dict(Counter(mode for hour, mode, _ in journal.modes() if first <= hour < end)),
        "drift": len(edits(journal, first, end)),
    }
    return Notice("digest", tick, "; ".join(_words(facts)), facts=facts)


def _spend(journal: Journal, first: int, end: int) -> dict[str, float]:
    """Currency units that were reported, by currency."""
    currencies = [Campaign.model_validate_json(spec).currency for _, _, spec in journal.campaigns()]
    spent: dict[str, float] = {}
    for campaign, _, spend, _, _ in journal.totals(first, end):
        spent[currencies[campaign]] = spent.get(currencies[campaign], 0.0) + spend
    return {currency: round(amount, 2) for currency, amount in sorted(spent.items())}


def _words(facts: Mapping[str, Any]) -> list[str]:
    listed = {
        name: ", ".join(f"{count} {what}" for what, count in facts[name].items()) for name in facts if name in _LISTED
    }
    spend = ", ".join(f"{amount:,.2f} {currency}" for currency, amount in facts["spend"].items()) or "nothing"
    first, end = facts["hours"]
    return [
        f"hours {first} to {end - 1}: spent {spend}",
        f"moves: {listed['moves'] or 'none'}",
        f"refused: {listed['refused'] or 'none'}",
        f"hours by mode: {listed['mode_hours']}",
        f"{facts['drift']} settings changed by others",
    ]
