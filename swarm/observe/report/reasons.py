"""Why it went as it did: modes and their causes, creatives, hyperparameters, decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from textwrap import shorten
from typing import Any

from swarm.observe.explain import BESIDE_H, NOTICES, REASONS, Event, ModeChange, Move, Notice, Split, promise
from swarm.observe.report import charts
from swarm.observe.report.blocks import cell, figure, group, legend, note, number, section, table
from swarm.observe.report.creatives import CreativeReport
from swarm.observe.report.markup import Html, el, join
from swarm.observe.report.shown import CampaignReport, RunReport, Transition, Trial, Version
from swarm.observe.report.words import NBSP, called, count, day, moment, money, plural, share, times
from swarm.observe.span import HOUR
from swarm.spec.money import MICROS

_LONGEST_HEADLINE = 120
_MOST_EVIDENCE, _LONGEST_EVIDENCE, _MOST_VERSIONS, _MOST_TRIALS = 24, 200, 60, 60
_STATUS = {0: "paused", 1: "delivering"}


def pill(mode: str) -> Html:
    """A mode in its colour and in words."""
    return el("span", mode, class_=f"pill {mode.lower()}")


# ---- modes


def modes(report: RunReport) -> Html:
    """Picture 4: coherence by hour, the modes that came of it, and who caused each change."""
    hours = Counter(mode for _, mode, _ in report.modes)
    spent = ", ".join(f"{mode}{NBSP}{hour:,}{NBSP}h" for mode, hour in hours.most_common())
    heading = f"{plural(len(report.changes), 'change')} of mode: {spent}"
    levels = report.health
    how = note(
        f"Coherence says how usual the portfolio behaves, from 0 to 1. Below {levels.stable:g} the swarm is CAUTIOUS "
        f"and halves its steps, below {levels.cautious:g} it raises nothing, below {levels.freeze:g} it is in FREEZE "
        f"and writes nothing but pauses. It comes back at {levels.hysteresis:g} above the line, after "
        f"{plural(levels.dwell_ticks, 'hour')} or more."
    )
    key = legend([(el("rect", x=3, y=0, width=14, height=12, class_=f"band {look}"), name)
                  for look, name in (("cautious", "CAUTIOUS"), ("freeze", "FREEZE"))])  # fmt: skip
    drawn = el("div", _coherence(report, 1080.0, "wide"), _coherence(report, 352.0, "narrow"), class_="hero")
    changes = _changes(report) if report.changes else note("The mode never changed.")
    return section("modes", "Health", heading, how, drawn, key, changes)


def _coherence(report: RunReport, width: float, look: str) -> Html:
    levels = report.health
    named = [
        (f"{levels.stable:g} CAUTIOUS", levels.stable),
        (f"{levels.cautious:g} no raises", levels.cautious),
        (f"{levels.freeze:g} FREEZE", levels.freeze),
    ]
    zone = report.start.tzinfo
    marks = [
        (tick / len(report.modes), day(when.date()))
        for tick in range(len(report.modes))
        if (when := (report.start + tick * HOUR).astimezone(zone)).hour == 0
    ]
    known = [value for _, _, value in report.modes if value is not None]
    title = f"Coherence by hour and mode; lowest {min(known, default=0.0):.2f}; {_told(report)}"
    hours = [(mode, value) for _, mode, value in report.modes]
    return el("div", charts.coherence(hours, named, marks=marks, title=title, width=width), class_=look)


def _told(report: RunReport) -> str:
    return "; ".join(f"{moment(c.time)} {c.old} to {c.new}" for c in report.changes) or "no change of mode"


def _changes(report: RunReport) -> Html:
    def row(change: Transition) -> list[Html]:
        known = "unknown" if change.coherence is None else f"{change.coherence:.2f}"
        why = "; ".join(change.why)
        arrow = join((pill(change.old), " → ", pill(change.new)))
        return [cell(moment(change.time), look="when"), cell(arrow, look="when"), number(known), cell(why, look="why")]

    head = ["UTC", "Mode", "Coherence", "Charts above their limits; campaigns that moved the signals most, worst first"]
    return table(head, [row(change) for change in report.changes], label="Changes of mode", right=[2])


# ---- creatives


def creatives(report: RunReport) -> Html:
    """Picture 5: what the scorer expected of each creative, and what it got."""
    shown = [each for each in report.campaigns if each.creatives]
    right, known = _hits(report)
    heading = (
        f"In {right} of {plural(known, 'campaign')} the creative that was expected to do best is shown most"
        if known
        else "Creatives, their rotation and what they got"
    )
    how = note(
        "Conversion rates are multiples of what the campaign gets from a click on the same channels, on a scale from "
        "a quarter to twice that: right of the middle is better. A ring is what the scorer expects, with one standard "
        "deviation; a dot is what was reported. Recent clicks and conversions count most, as in the swarm's own "
        "evidence."
    )
    empty = [] if shown else [note("Creatives are judged after the first hour of a campaign.")]
    return section("creatives", "Creatives", heading, how, *empty, _creative_table(shown) if shown else "")


def _hits(report: RunReport) -> tuple[int, int]:
    """In how many campaigns the highest expectation is the largest share, and how many have expectations."""
    known = [each.creatives for each in report.campaigns if any(k.expected is not None for k in each.creatives)]
    right = [max(some, key=lambda k: k.expected or 0.0) is max(some, key=lambda k: k.rotation) for some in known]
    return sum(right), len(known)


def _creative_table(campaigns: Sequence[CampaignReport]) -> Html:
    """One table, so that all campaigns stand in the same columns."""
    scale = join(("Expected and reported", charts.dots_scale()))
    head = ["Creative", scale, "Expected", "Reported", "Shown now", "Clicks", "Conversions", "Headline"]
    rows = [
        row
        for each in campaigns
        for row in ([group(each.spec.name, len(head))], *(_creative(creative) for creative in each.creatives))
    ]
    return table(head, rows, label="Creatives", right=range(2, 7))


def _creative(item: CreativeReport) -> list[Html]:
    expected, got = ("–" if factor is None else times(factor) for factor in (item.expected, item.got))
    chart = charts.dots(item.expected, item.spread, item.got, title=f"{item.id}: expected {expected}, reported {got}")
    return [
        cell(item.id, look="name"), cell(chart, look="dots"), number(expected), number(got),
        number(share(item.rotation)), number(count(item.clicks)), number(count(item.conversions)),
        cell(shorten(item.headline, _LONGEST_HEADLINE, placeholder=" …"), look="soft headline"),
    ]  # fmt: skip


# ---- hyperparameters


def hyperparameters(report: RunReport) -> Html:
    """Picture 6: every version of the hyperparameters, with what spoke for it."""
    versions = report.versions
    names = (
        [name for name in versions[-1].values if len({v.values.get(name) for v in versions}) > 1] if versions else []
    )
    heading = (
        f"{plural(len(versions), 'version')}; what moved: " + ", ".join(name.replace("_", " ") for name in names)
        if names
        else "The swarm kept the settings it started with"
    )
    drawn = el("div", *(_steps(report, name) for name in names), class_="grid")
    rows = [_version(report, old, new) for old, new in zip([None, *versions], versions, strict=False)][-_MOST_VERSIONS:]
    head = ["Version", "Since (UTC)", "What changed", "Evidence"]
    return section(
        "tuning", "Tuning", heading, drawn, table(head, rows, label="Versions of the hyperparameters"), _trials(report),
    )  # fmt: skip


def _trials(report: RunReport) -> Html:
    """What was tried on the canary; the newest where there were many."""
    if not report.trials:
        return note("No other values were tried: a canary needs 24 campaigns and a day's lesson in STABLE.")
    head = ["Tried on the canary", "From (UTC)", "To", "Result", "Effect on value"]
    rows = [_trial(report, trial) for trial in report.trials[-_MOST_TRIALS:]]
    return table(head, rows, label="Candidates on the canary")


def _trial(report: RunReport, trial: Trial) -> list[Html]:
    changes = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in trial.changes.items())
    began, ended = (
        "now" if tick is None else moment(report.start + timedelta(hours=tick))
        for tick in (trial.opened_tick, trial.closed_tick)
    )
    effect = "" if trial.effect is None else f"{100 * trial.effect[0]:+.1f} % ± {100 * trial.effect[1]:.1f}"
    asked = " (a person's)" if trial.reason == "asked" else ""
    return [
        cell(changes + asked, look="why"), cell(began, look="when"), cell(ended, look="when"), cell(trial.result),
        number(effect),
    ]  # fmt: skip


def _steps(report: RunReport, name: str) -> Html:
    known = [version for version in report.versions if name in version.values]
    values = [version.values[name] for version in known]
    words = f"{values[0]:.4g} → {values[-1]:.4g}"
    chart = charts.steps(
        values, [version.tick / report.hours for version in known], title=f"{name} over the run: {words}"
    )
    return figure(name.replace("_", " "), words, chart)


def _version(report: RunReport, old: Version | None, new: Version) -> list[Html]:
    before = {} if old is None else old.values
    changed = "; ".join(
        f"{name.replace('_', ' ')} {f'{before[name]:.4g} → ' if name in before else ''}{value:.4g}"
        for name, value in new.values.items()
        if before.get(name) != value
    )
    why = [f"{name} {value}" for name, value in flat(new.evidence)]
    more = f"; and {len(why) - _MOST_EVIDENCE} more" if len(why) > _MOST_EVIDENCE else ""
    evidence = "; ".join(why[:_MOST_EVIDENCE]) + more or ("the configuration" if old is None else "none was kept")
    when = moment(report.start + timedelta(hours=new.tick))
    return [
        cell(f"{new.number}"),
        cell(when, look="when"),
        cell(changed or "nothing", look="why"),
        cell(evidence, look="why"),
    ]


def flat(evidence: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Names and values of evidence of any shape; names inside names have dots between them."""
    for name, value in evidence.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}.")
        elif isinstance(value, list) and any(isinstance(each, Mapping | list) for each in value):
            yield from flat({str(i): each for i, each in enumerate(value)}, f"{before}{name}.")
        else:
            yield f"{before}{name}", _plain(", ".join(map(_plain, value)) if isinstance(value, list) else value)


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else shorten(str(value), _LONGEST_EVIDENCE, placeholder=" …")


# ---- decisions


def decisions(report: RunReport) -> Html:
    """Picture 7: the most important moves and refusals of each campaign, with their reasons."""
    asked = sum(report.writes.values())
    refused = {name.removeprefix("refused by "): n for name, n in report.writes.items() if name.startswith("refused")}
    guards = " (" + ", ".join(f"{name} {n:,}" for name, n in refused.items()) + ")" if refused else ""
    heading = f"{plural(asked, 'write')} asked for, {sum(refused.values()):,} refused{guards}"
    how = note(
        "Refusals, pauses, changes of mode, the largest shifts of money and why each next day was split as it was. "
        "Times are the campaign's own. The last column is what the channel reported in the "
        f"{BESIDE_H} hours before and after: what followed, not what was caused. ",
        el("code", "swarm explain NAME"),
        " tells every move.",
    )
    return section("decisions", "Decisions", heading, how, *map(_decisions, report.campaigns))


def _decisions(campaign: CampaignReport) -> Html:
    told = f"{plural(campaign.asked, 'write')}, {campaign.refused:,} refused; {len(campaign.decisions)} told here"
    head = ["When", "What", "Why", "What came back", f"{BESIDE_H} h before → after"]
    rows = [[cell(moment(each.time), look="when"), *_told_of(each, campaign)] for each in campaign.decisions]
    summary = el("summary", el("b", campaign.spec.name), el("span", told))
    return el("details", summary, table(head, rows, label=f"Decisions on {campaign.spec.name}"))


def _told_of(event: Event, campaign: CampaignReport) -> list[Html]:
    """Four cells."""
    if isinstance(event, ModeChange):
        known = "unknown" if event.coherence is None else f"{event.coherence:.2f}"
        what, why = join((pill(event.old), " → ", pill(event.new))), f"coherence {known}; this campaign is a cause"
        return [cell(what), cell(why, look="why"), cell(), cell()]
    if isinstance(event, Split):
        returns = ", ".join(f"{called(name)} {value:.4g}" for name, value in event.marginal.items())
        gain = f"a day is worth {event.gain_over_equal:+.4g} over the equal split"
        return [cell("the next day's split"), cell(f"next money returns {returns}", look="why"), cell(gain), cell()]
    if isinstance(event, Notice):
        return [cell(NOTICES[event.what].format(event.subject)), cell(event.why, look="why"), cell(), cell()]
    return _move(event, campaign)


def _move(move: Move, campaign: CampaignReport) -> list[Html]:
    currency = campaign.spec.currency
    thing = f"share of {move.creative}" if move.field == "weight" else move.field
    what = f"{thing} on {called(move.channel)}: {_shown(move.old, move, currency)} → {_shown(move.new, move, currency)}"
    why = f"{REASONS.get(move.reason, move.reason)} ({move.proposed_by}, {move.mode})"
    return [cell(what, look="name"), cell(why, look="why"), cell(_fate(move, currency)), cell(*_beside(move, currency))]


def _beside(move: Move, currency: str) -> tuple[str, Html, str]:
    before, after = move.before, move.after
    spent = f"{before.spend:,.0f} → {money(round(after.spend), currency)}"
    got = f"{count(before.conversions)} → {count(after.conversions)} conversions"
    return spent, el("br"), got


def _fate(move: Move, currency: str) -> Html:
    if move.refused_by:
        return join((el("b", f"refused by {move.refused_by}", class_="refused"), f": {promise(move.refused_by)}"))
    read = "" if move.read_back in (None, move.new) else f"; {_shown(move.read_back or 0, move, currency)} in force"
    return join((move.state, read))


def _shown(value: int, move: Move, currency: str) -> str:
    if move.field == "weight":
        return share(value / MICROS, 1)
    if move.field == "status":
        return _STATUS.get(value, str(value))
    return money(value / MICROS, currency)
