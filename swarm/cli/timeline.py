"""A campaign's story for the terminal: a line a move, small moves of one day in one line."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from swarm.cli.views import MODE_STYLE, coherence
from swarm.observe.explain import (
    BESIDE_H,
    NOTICES,
    REASONS,
    Event,
    ModeChange,
    Move,
    Notice,
    Split,
    Window,
    causes,
    promise,
)
from swarm.spec.campaign import Campaign
from swarm.spec.money import format_micros, minor_digits

STATUS = ("paused", "delivering")
_SMALL = ("bid", "weight")
_EYE = -2
"""Power of ten that micros are rounded to here: a bid's fifth decimal says nothing to people."""


def timeline(events: Sequence[Event], campaign: Campaign, *, every: bool) -> RenderableType:
    """All of ``events``; with ``every``, each move in a line of its own."""
    table = Table(title=f"{campaign.name}, times of {campaign.time_zone}", title_justify="left", expand=True)
    table.add_column("from", no_wrap=True)
    table.add_column("what", ratio=3)
    table.add_column("why; the value of a click, the price of money", ratio=4)
    table.add_column("what came back", ratio=3)
    table.add_column(f"{BESIDE_H} h before -> after", no_wrap=True)
    lines = [[event] for event in events] if every else grouped(events)
    for before, line in zip([None, *lines], lines, strict=False):
        if before and before[0].time.date() != line[0].time.date():
            table.add_section()
        table.add_row(f"{line[0].time:%Y-%m-%d %H:%M}", *_cells(line, campaign.currency))
    return Group(table, Text(_foot(events), style="dim"))


def grouped(events: Sequence[Event]) -> list[list[Event]]:
    """``events`` in lines: applied moves of bids, or of shares, that one channel saw in one local day and mode."""
    lines: dict[Hashable, list[Event]] = {}
    for position, event in enumerate(events):
        lines.setdefault(_line(event) or position, []).append(event)
    return list(lines.values())


def _line(event: Event) -> Hashable:
    """What a small move has in common with those in its line; None for what stands alone."""
    if not isinstance(event, Move) or event.field not in _SMALL or event.state != "applied":
        return None
    return event.time.date(), event.channel, event.field, event.reason, event.mode


def _cells(line: Sequence[Event], currency: str) -> tuple[Text, Text, Text, Text]:
    first = line[0]
    if isinstance(first, ModeChange):
        return _mode(first)
    if isinstance(first, Split):
        return _split(first)
    if isinstance(first, Notice):
        return Text(NOTICES[first.what].format(first.subject), style="bold"), Text(first.why), Text(), Text()
    moves = [event for event in line if isinstance(event, Move)]
    what = Text(_what(moves, currency), style="dim" if first.refused_by else "")
    return what, Text(_why(moves)), _fate(first, currency), Text(_beside(moves[0].before, moves[-1].after, currency))


def _mode(change: ModeChange) -> tuple[Text, Text, Text, Text]:
    why = causes(change.charts, change.culprits)
    return (
        Text.assemble("mode ", (change.old, MODE_STYLE[change.old]), " -> ", (change.new, MODE_STYLE[change.new])),
        Text("\n".join([f"coherence {coherence(change.coherence)}", *why])),
        Text("this campaign is one of them", style="bold") if change.involved else Text(),
        Text(),
    )


def _split(split: Split) -> tuple[Text, Text, Text, Text]:
    marginal = ", ".join(f"{name} {value:.4g}" for name, value in split.marginal.items())
    bound = "; ".join(
        f"at its {name}: {', '.join(channels)}"
        for name, channels in (("minimum", split.at_minimum), ("maximum", split.at_maximum))
        if channels
    )
    gain = (
        f"a day is worth {split.gain_over_equal:+.4g} over the equal split, {split.gain_over_current:+.4g} over today's"
    )
    why = f"price {split.price:.4g}; next money returns {marginal}"
    return Text("why the next day's split"), Text(why), Text("; ".join(part for part in (gain, bound) if part)), Text()


def _what(moves: Sequence[Move], currency: str) -> str:
    first, last = moves[0], moves[-1]
    count = f"{len(moves)} moves, " if len(moves) > 1 else ""
    if first.field == "weight":
        by_creative = {name: [move for move in moves if move.creative == name] for name in _creatives(moves)}
        parts = (
            f"{name} {_from_to(some[0].old, some[-1].new, some[0], currency)}" for name, some in by_creative.items()
        )
        return f"share on {first.channel}: {count}{', '.join(parts)}"
    span = [move.new for move in moves]
    low, high = (_shown(value, first, currency) for value in (min(span), max(span)))
    spread = f" ({low} to {high})" if len(moves) > 1 else ""
    return f"{first.field} on {first.channel}: {count}{_from_to(first.old, last.new, first, currency)}{spread}"


def _creatives(moves: Sequence[Move]) -> list[str]:
    return list(dict.fromkeys(move.creative for move in moves))


def _from_to(old: int, new: int, move: Move, currency: str) -> str:
    unit = f" {currency}" if move.field in ("budget", "bid") else ""
    return f"{_shown(old, move, currency)} -> {_shown(new, move, currency)}{unit}"


def _shown(value: int, move: Move, currency: str) -> str:
    if move.field == "weight":
        return f"{value / 1e4:.1f} %"
    if move.field == "status":
        return STATUS[value] if value in (0, 1) else str(value)
    return format_micros(round(value, _EYE), currency)


def _why(moves: Sequence[Move]) -> str:
    first = moves[0]
    click, money = (_range(values) for values in zip(*((m.click_value, m.money_price) for m in moves), strict=True))
    made_from = f"a click {click}, money {money}\n{first.proposed_by}, {first.mode}, epoch {first.epoch}"
    return f"{REASONS.get(first.reason, first.reason)}\n{made_from}"


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.4g}", f"{max(values):.4g}"
    return low if low == high else f"{low} to {high}"


def _fate(move: Move, currency: str) -> Text:
    if move.refused_by:
        return Text.assemble((f"refused by {move.refused_by}", "red"), f": {promise(move.refused_by)}")
    back = "" if move.read_back in (None, move.new) else f", {_shown(move.read_back or 0, move, currency)} in force"
    style = "" if move.state == "applied" else "yellow"
    return Text.assemble("passed all guards; ", (f"{move.state}{back}", style))


def _beside(before: Window, after: Window, currency: str) -> str:
    digits = minor_digits(currency)
    short = f"\n{after.hours} h reported yet" if after.hours < BESIDE_H else ""
    return (
        f"{before.spend:,.{digits}f} -> {after.spend:,.{digits}f} {currency}\n"
        f"{before.clicks:,.0f} -> {after.clicks:,.0f} clicks\n"
        f"{before.conversions:,.0f} -> {after.conversions:,.0f} conversions{short}"
    )


def _foot(events: Sequence[Event]) -> str:
    moves = [event for event in events if isinstance(event, Move)]
    refused = sum(move.state == "refused" for move in moves)
    changes = sum(isinstance(event, ModeChange) for event in events)
    return f"{len(moves)} moves, {refused} of them refused; {changes} changes of mode"
