"""What the money did: value against the baselines, pacing against plan and cap, money by platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from policies.frames import Floats
from swarm import portfolio
from swarm.observe.report import charts
from swarm.observe.report.blocks import cell, figure, legend, note, number, says, section, stroke, swatch, table
from swarm.observe.report.charts import Line
from swarm.observe.report.markup import Html, el
from swarm.observe.report.shown import CampaignReport, CurrencyReport, RunReport, Truth
from swarm.observe.report.words import NBSP, called, count, day, money, plural, share

_WIDE_PX, _NARROW_PX = 1080.0, 352.0
NO_TRUTH = (
    "What it was worth is not known here: only a simulated run that is over can be measured against hindsight and "
    "the baselines. Everything on this page is what the platforms have reported so far; reports come late, those of "
    "conversions latest."
)
"""Said where a run has no truth."""


def units(amount: float, campaign: CampaignReport) -> str:
    """Goal units in words."""
    goal = campaign.spec.goal
    return f"{money(amount, campaign.spec.currency)} of value" if goal == "value" else f"{count(amount)} {goal}"


def value(report: RunReport) -> Html:
    """Picture 1: value against the baselines and hindsight, by day and in total."""
    if report.truth is None:
        return _value_reported(report)
    truth = report.truth
    rivals = ", ".join(f"{called(name).lower()} {share(truth.over(each))}" for name, each in truth.rivals.items())
    heading = f"The swarm got {share(truth.ratio, 1)} of what hindsight could have got; {rivals}"
    mixed = (
        " All campaigns together are counted in conversions; a value goal by the worth of one, a click as "
        f"{portfolio.CLICK_WORTH}."
    )
    how = note(
        "Expected value, added up day by day. Hindsight knows every rate, price and visitor of the market beforehand: "
        f"no bidder can reach it.{mixed if report.unit == 'conversions' else ''}"
    )
    several = len(report.campaigns) > 1
    small = el("div", *(_value_of(each, report) for each in report.campaigns), class_="grid") if several else ""
    return section("value", "Value", heading, how, _hero(truth, report), _key(truth), small, _value_table(report))


def _hero(truth: Truth, report: RunReport) -> Html:
    title = f"Value of all campaigns, cumulative, in {report.unit}: " + ", ".join(
        f"{line.name} {count(line.values[-1])}" for line in _lines(truth)
    )

    def draw(width: float, height: float) -> Html:
        return charts.lines(_lines(truth), labels=_labels(report), title=title, width=width, height=height)

    return _broad(draw, tall=380.0)


def _broad(draw: Callable[[float, float], Html], *, tall: float) -> Html:
    """A chart over the whole width, drawn once for a desk and once for a phone, so that its words stay readable."""
    wide, narrow = draw(_WIDE_PX, tall), draw(_NARROW_PX, 0.7 * tall)
    return el("div", el("div", wide, class_="wide"), el("div", narrow, class_="narrow"), class_="hero")


def _small(draw: Callable[[float, float], Html]) -> Html:
    """One of several charts beside one another."""
    return draw(_NARROW_PX, 168.0)


def _lines(truth: Truth) -> list[Line]:
    """Cumulative, the swarm's last, so that it lies on top."""
    rivals = [Line(called(name), _sums(each), f"rival{i}") for i, (name, each) in enumerate(truth.rivals.items())]
    return [Line("Hindsight", _sums(truth.best), "best"), *rivals, Line("Swarm", _sums(truth.value), "swarm")]


def _sums(values: Floats) -> list[float]:
    return [round(each, 3) for each in np.cumsum(values).tolist()]


def _key(truth: Truth) -> Html:
    return legend([(stroke(f"line {line.look}"), line.name) for line in reversed(_lines(truth))])


def _value_of(campaign: CampaignReport, report: RunReport) -> Html:
    truth, got = campaign.truth, units(float(campaign.bought.sum()), campaign)
    assert truth is not None
    chart = charts.lines(
        _lines(truth), labels=_labels(report), width=352, height=168, named=False,
        title=f"{campaign.spec.name}, cumulative value by day: {got}, {share(truth.ratio)} of hindsight",
    )  # fmt: skip
    return figure(campaign.spec.name, f"{got}, {share(truth.ratio)} of hindsight", chart)


def _value_table(report: RunReport) -> Html:
    """The same in numbers, for those who compare."""
    names = list(report.campaigns[0].truth.rivals) if report.campaigns[0].truth else []
    head = ["Campaign", "Bought", "Spent", "Efficiency", "Of hindsight", *map(called, names)]
    rows = [
        [
            cell(each.spec.name, look="name"), number(units(float(each.bought.sum()), each)),
            number(money(float(each.spend.sum()), each.spec.currency)), number(_efficiency(each)),
            number(share(each.truth.ratio, 1)),
            *(number(share(each.truth.over(rival), 1)) for rival in each.truth.rivals.values()),
        ]
        for each in report.campaigns
        if each.truth
    ]  # fmt: skip
    return table(head, rows, label="Value by campaign", right=range(1, len(head)))


def _efficiency(campaign: CampaignReport) -> str:
    """What a conversion or a click cost, or the return on ad spend."""
    spent, got, goal = float(campaign.spend.sum()), float(campaign.bought.sum()), campaign.spec.goal
    if goal == "value":
        return f"ROAS{NBSP}{got / spent:.1f}" if spent else "–"
    return f"{money(spent / got, campaign.spec.currency)} a{NBSP}{goal.removesuffix('s')}" if got else "–"


def _value_reported(report: RunReport) -> Html:
    def drawn(campaign: CampaignReport) -> Html:
        got = units(float(campaign.bought.sum()), campaign)
        line = Line("reported", _sums(campaign.bought), "swarm")
        title = f"{campaign.spec.name}, reported by day, cumulative: {got}"
        chart = charts.lines([line], labels=_labels(report), width=352, height=168, named=False, title=title)
        return figure(campaign.spec.name, f"{got}, {_efficiency(campaign)}", chart)

    small = el("div", *map(drawn, report.campaigns), class_="grid")
    return section("value", "Value", "What the platforms have reported so far", says(NO_TRUTH), small)


def pacing(report: RunReport) -> Html:
    """Picture 2: each campaign's days against plan and cap."""
    drawn = [_pacing_of(each, report) for each in report.campaigns]
    small = el("div", *drawn, class_="grid" if len(drawn) > 1 else None)
    key = [(swatch("bar"), "reported spend of a day"), (stroke("plan"), "the day's money (plan)"),
           (stroke("cap"), "daily exposure cap")]  # fmt: skip
    how = note(
        "Days are the campaign's own. The cap is the most that a day may cost with everything that a platform is "
        "allowed to over-deliver; the plan is what the day should cost."
    )
    return section("pacing", "Pacing", _pacing_heading(report), how, legend(key), small)


def _pacing_heading(report: RunReport) -> str:
    over = [money(each.overspend_micros / 1e6, each.currency) for each in report.currencies if each.overspend_micros]
    caps = f"caps were passed by {' and '.join(over)}" if over else "no cap was passed on any day"
    done = len(report.days) if report.over else len(report.days) - 1
    parts = [
        f"{share(float(each.spend[:done].sum() / each.plan[:done].sum()))} of the {each.currency}"
        for each in report.currencies
        if each.plan[:done].sum() > 0
    ]
    return f"{_and(parts)} was spent, and {caps}" if parts else f"The first day is not over; {caps}"


def _pacing_of(campaign: CampaignReport, report: RunReport) -> Html:
    currency, spend, plan = campaign.spec.currency, campaign.spend, campaign.plan
    part = float(spend.sum() / plan.sum()) if plan.sum() else float("nan")
    words = (
        f"{money(float(spend.sum()), currency)} of {money(float(plan.sum()), currency)} ({share(part)}); "
        f"cap {money(campaign.cap, currency)} a day"
    )
    tips = [
        f"{label}: {money(s, currency)} of {money(p, currency)}"
        for label, s, p in zip(_labels(report), spend.tolist(), plan.tolist(), strict=True)
    ]

    def draw(width: float, height: float) -> Html:
        return charts.columns(
            [spend.tolist()], plan.tolist(), looks=["bar"], labels=_labels(report), tips=tips, width=width,
            height=height, cap=campaign.cap,
            title=f"{campaign.spec.name}, spend by day: {words}; the highest day {money(spend.max(), currency)}",
        )  # fmt: skip

    chart = _small(draw) if len(report.campaigns) > 1 else _broad(draw, tall=300.0)
    return figure(campaign.spec.name, words, chart)


def platforms(report: RunReport) -> Html:
    """Picture 3: money by platform and day, one chart a currency."""
    names = [called(name) for name in report.channels]
    most = [
        f"{names[int(each.spend.sum(axis=0).argmax())]} {share(float(each.spend.sum(axis=0).max() / each.spend.sum()))}"
        f" of the {each.currency}"
        for each in report.currencies
        if each.spend.sum() > 0
    ]
    heading = f"Most money went where it bought most next: {_and(most)}" if most else "No money was spent yet"
    key = legend([*((swatch(charts.layer(i)), name) for i, name in enumerate(names)), (stroke("plan"), "plan")])
    stacks = [_stacked(each, report) for each in report.currencies]
    drawn = el("div", *stacks, class_="grid" if len(stacks) > 1 else None)
    return section("platforms", "Platforms", heading, key, drawn, _split_table(report, names))


def _stacked(item: CurrencyReport, report: RunReport) -> Html:
    names, totals = [called(name) for name in report.channels], item.spend.sum(axis=0)
    parts = {name: money(float(total), item.currency) for name, total in zip(names, totals, strict=True)}
    tips = [
        f"{label}: " + ", ".join(f"{n} {money(float(v), item.currency)}" for n, v in zip(names, row, strict=True))
        for label, row in zip(_labels(report), item.spend, strict=True)
    ]

    def draw(width: float, height: float) -> Html:
        return charts.columns(
            item.spend.T.tolist(), item.plan.tolist(), looks=[charts.layer(i) for i in range(len(names))],
            labels=_labels(report), tips=tips, width=width, height=height,
            title=f"Spend by day and platform in {item.currency}: {_listed(parts)}",
        )  # fmt: skip

    chart = _small(draw) if len(report.currencies) > 1 else _broad(draw, tall=300.0)
    words = f"{plural(item.campaigns, 'campaign')}, {money(float(item.spend.sum()), item.currency)}: {_listed(parts)}"
    return figure(f"Reported spend, {item.currency} a day", words, chart)


def _split_table(report: RunReport, names: Sequence[str]) -> Html:
    head = ["Campaign", "Split of its money", *names]
    rows = [
        [
            cell(each.spec.name, look="name"),
            cell(charts.split(spent, title=f"{each.spec.name}: {_shares(names, spent)}"), look="split"),
            *(number(money(part, each.spec.currency)) for part in spent),
        ]
        for each, spent in ((each, each.reported[:, :, 0].sum(axis=0).tolist()) for each in report.campaigns)
    ]
    return table(head, rows, label="Spend by campaign and platform", right=range(2, len(head)))


def _shares(names: Sequence[str], spent: Sequence[float]) -> str:
    total = sum(spent) or 1.0
    return ", ".join(f"{name} {share(part / total)}" for name, part in zip(names, spent, strict=True))


def _listed(parts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in parts.items())


def _and(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _labels(report: RunReport) -> list[str]:
    return [day(each) for each in report.days]
