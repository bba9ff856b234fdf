"""What commands show: tables and lines for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from swarm.platforms.channels import FOUR
from swarm.platforms.history import HeldOut
from swarm.platforms.log import AccountLog

MODE_STYLE = {"STABLE": "green", "CAUTIOUS": "yellow", "FREEZE": "red"}
_PIPE_WIDTH = 160


def console() -> Console:
    """Standard output; wide enough for a table where it is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def results(found: Mapping[str, Any]) -> RenderableType:
    """The table at the end of a run."""
    table = Table(title="What the money bought, in expectation", title_justify="left")
    table.add_column("campaign")
    for name in ("goal", "spent", "of budget", "value", "of hindsight", *_rivals(found)):
        table.add_column(name, justify="right")
    for row in found["by_campaign"]:
        best = max(row["hindsight_value"], 1e-12)
        rivals = [f"{row['baselines'][name] / best:.0%}" for name in found["baselines"]]
        table.add_row(
            row["name"],
            row["goal"],
            f"{row['spend']:,.0f} {row['currency']}",
            f"{row['spend'] / max(row['budget'], 1e-12):.0%}",
            f"{row['value']:,.0f}",
            f"{row['hindsight_ratio']:.0%}",
            *rivals,
        )
    if len(found["by_campaign"]) > 1:
        _total(table, found)
    parts = [table, *([_history(found)] if "history" in found else [])]
    return Group(*parts, Text(_closing(found), style="dim"))


def _total(table: Table, found: Mapping[str, Any]) -> None:
    best = max(found["hindsight_value"], 1e-12)
    totals = [f"{value / best:.0%}" for value in found["baselines"].values()]
    table.add_section()
    table.add_row(
        "all",
        "conversions",
        f"{found['spend']:,.0f} USD",
        "",
        f"{found['value']:,.0f}",
        f"{found['hindsight_ratio']:.1%}",
        *totals,
        style="bold",
    )


def fit(log: AccountLog, found: HeldOut | None, currency: str) -> Text:
    """What was read from a log, and how well the fit foretells days that it has not seen."""
    what = f"log of {len(log)} days from {log.first}, {len(log.names)} campaigns, money in {currency}\n"
    if found is None:
        return Text(f"{what}fit: too few days to hold some out")
    return Text(
        f"{what}fit: clicks of the last {found.held_out_days} days, held out and foretold from their cost, are off by "
        f"{found.wape:.1%} a campaign-day and {found.total_error:+.1%} in all; by mean cost per click "
        f"{found.naive_wape:.1%}"
    )


def _history(found: Mapping[str, Any]) -> RenderableType:
    """Where the money went, beside where the log had put it, and what that changed."""
    item = found["history"]
    (row,) = found["by_campaign"]
    table = Table(title=f"Where the money went, {item['days']} days from {item['first']}", title_justify="left")
    table.add_column("channel")
    for name in ("logged budgets", "share", "spent", "share"):
        table.add_column(name, justify="right")
    budgets, spent = item["logged_budget"], row["by_channel"]
    for name in item["channels"]:
        shares = [f"{part[name] / max(sum(part.values()), 1e-12):.0%}" for part in (budgets, spent)]
        table.add_row(Text(name), f"{budgets[name]:,.0f}", shares[0], f"{spent[name]:,.0f}", shares[1])
    lines = [
        f"clicks against the logged budgets: {_gain(item['gain'])}, were each channel to spend its own without fault",
        f"clicks against the same bidder on the logged budgets: {_gain(item['gain_over_same_bidder'])}",
    ]
    return Group(table, *lines)


def _gain(interval: Sequence[float]) -> str:
    mean, low, high = interval
    return f"{mean:+.1%} (95 % interval {low:+.1%} to {high:+.1%})"


def _rivals(found: Mapping[str, Any]) -> list[str]:
    return [name.replace("_", " ") for name in found["baselines"]]


def _closing(found: Mapping[str, Any]) -> str:
    modes = ", ".join(f"{mode} {seconds / 3600:.0f} h" for mode, seconds in found["mode_seconds"].items() if seconds)
    return (
        f"overspend {found['overspend_micros']} micros; {found['ticks']} market hours in {found['seconds']:.0f} s "
        f"(tick p50 {found['tick_ms']['p50']:.0f} ms, {found['ray_calls_per_tick']:.0f} Ray calls); {modes}\n"
        f"journal and logs: {found['folder']}"
    )


def status(state: Mapping[str, Any]) -> RenderableType:
    """Where a swarm stands."""
    channels = state.get("channels", [channel.name for channel in FOUR])
    table = Table(expand=True)
    table.add_column("campaign", no_wrap=True, min_width=24)
    for name in ("today", "spent", "clicks", "conversions", *map(escape, channels)):
        table.add_column(name, justify="right")
    for row in state["campaigns"]:
        split = [f"{spent / row['spend']:.0%}" if row["spend"] else "" for spent in row["by_channel"]]
        table.add_row(
            Text(row["name"], style="dim" if row["paused"] else ""),
            f"{row['today_share']:.0%}",
            f"{row['spend']:,.0f} {row['currency']}",
            f"{row['clicks']:,.0f}",
            f"{row['conversions']:,.0f}",
            *split,
        )
    notices = _quarantined(state)
    return Group(_head(state), table, *([notices] if notices else []), _foot(state))


def coherence(known: float | None) -> str:
    """Coherence for a person."""
    return "unknown, which counts as bad" if known is None else f"{known:.2f}"


def _head(state: Mapping[str, Any]) -> RenderableType:
    line = Text.assemble(
        (f" {state['mode']} ", f"bold black on {MODE_STYLE[state['mode']]}"),
        f"  coherence {coherence(state['coherence'])}   market time {state['time']}   hour {state['tick']}",
        "   held by a person" if state["held"] else "",
        (f"   stopped: {state['error']}", "bold red") if state["error"] else "",
        (f"   waits: {state['waits_for']}", "bold red") if state["waits_for"] else "",
    )
    bar = ProgressBar(total=max(state["until"], 1), completed=state["tick"])
    return Panel(
        Group(line, Text("; ".join(state["recommendations"]), style="dim"), bar), title="swarm", title_align="left"
    )


def _quarantined(state: Mapping[str, Any]) -> Text:
    """Who is not asked, since when, why and for how long; and what runs on old answers."""
    lines = [
        f"{name} is in quarantine since {datetime.fromtimestamp(kept['since']):%H:%M:%S}: it {kept['why']}; "
        f"a new life is tried in {kept['seconds_left']:.0f} s"
        for name, kept in state["quarantined"].items()
    ]
    careful = [row["name"] for row in state["campaigns"] if row["mode"] != state["mode"]]
    if careful:
        lines.append(f"CAUTIOUS meanwhile: {', '.join(careful)}")
    if state["stale_attention"]:
        lines.append(f"attention is away, the last answers hold: {', '.join(state['stale_attention'])}")
    return Text("\n".join(lines), style="yellow")


def _foot(state: Mapping[str, Any]) -> Text:
    proposals = ", ".join(f"{count} {name}" for name, count in state["proposals"].items()) or "none yet"
    restarts = ", ".join(f"{name} x{count}" for name, count in state["restarts"].items()) or "none"
    times = state["tick_ms"]
    return Text(
        f"proposals: {proposals}\nrestarts: {restarts}   hyperparameters v{state['hyper_version']}   "
        f"tick p50 {times['p50']:.0f} ms, p99 {times['p99']:.0f} ms",
        style="dim",
    )
