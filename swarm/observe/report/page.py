"""The page: one document that needs nothing but itself."""

from __future__ import annotations

from importlib.metadata import version

from swarm.observe.report import reasons, results
from swarm.observe.report.blocks import cell, number, says, table
from swarm.observe.report.markup import Html, el, join
from swarm.observe.report.shown import CurrencyReport, RunReport
from swarm.observe.report.style import STYLE
from swarm.observe.report.words import called, count, days, money, plural, share

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The browser itself is told to load nothing."""
_PARTS = {
    "value": "Value",
    "pacing": "Pacing",
    "platforms": "Platforms",
    "modes": "Health",
    "creatives": "Creatives",
    "tuning": "Tuning",
    "decisions": "Decisions",
}


def page(report: RunReport) -> str:
    """The whole document, well-formed as HTML and as XML."""
    sections = (
        results.value(report), results.pacing(report), results.platforms(report), reasons.modes(report),
        reasons.creatives(report), reasons.hyperparameters(report), reasons.decisions(report),
    )  # fmt: skip
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{report.name}, {days(report.days[0], report.days[-1])}"),
        el("style", Html(STYLE)),
    )
    body = el("body", _top(report), el("main", *_left_out(report), *sections), _foot())
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _top(report: RunReport) -> Html:
    links = [el("a", name, href=f"#{anchor}") for anchor, name in _PARTS.items()]
    facts = el("ul", *(el("li", fact) for fact in _facts(report)), class_="facts")
    return el(
        "header", el("p", "swarm report", class_="over"), el("h1", report.name), facts, _figures(report),
        _currencies(report), el("nav", *links, aria_label="Parts of this page"),
    )  # fmt: skip


def _facts(report: RunReport) -> list[object]:
    whole = sum(each.campaigns for each in report.currencies)
    mode = report.modes[-1][1]
    held = ", held by a person" if report.held else ""
    return [
        days(report.days[0], report.days[-1]),
        plural(whole, "campaign"),
        "seed not kept" if report.seed is None else f"seed {report.seed}",
        _progress(report),
        join(("mode ", reasons.pill(mode), held)),
    ]


def _progress(report: RunReport) -> str:
    done = plural(report.hours, "market hour")
    if report.over:
        return f"over after {done}"
    if report.until:
        return f"hour {report.hours:,} of {report.until:,}"
    return f"stopped after {done}"


def _figures(report: RunReport) -> Html:
    """The few numbers that matter most."""
    return el("dl", *(_worth(report) if report.truth else _money(report)), _overspend(report), class_="figures")


def _figure(name: str, big: str, small: str) -> Html:
    return el("div", el("dt", name), el("dd", big, class_="big"), el("dd", small, class_="small"))


def _worth(report: RunReport) -> list[Html]:
    truth = report.truth
    assert truth is not None
    got = float(truth.value.sum())
    ahead = [
        _figure(
            f"Over {called(name).lower()}",
            f"{100 * (got / float(rival.sum()) - 1):+,.0f} %",
            f"{count(float(rival.sum()))} {report.unit}",
        )
        for name, rival in truth.rivals.items()
        if rival.sum() > 0
    ]
    of = f"{count(got)} of {count(float(truth.best.sum()))} {report.unit}"
    return [_figure("Of the hindsight optimum", share(truth.ratio, 1), of), *ahead[:2]]


def _money(report: RunReport) -> list[Html]:
    return [
        _figure(
            f"Of the {each.currency} budget so far",
            _part(each),
            f"{money(float(each.spend.sum()), each.currency)} of {money(float(each.plan.sum()), each.currency)}",
        )
        for each in report.currencies[:3]
    ]


def _part(item: CurrencyReport) -> str:
    plan = float(item.plan.sum())
    return share(float(item.spend.sum()) / plan, 1) if plan else "–"


def _overspend(report: RunReport) -> Html:
    over = [money(each.overspend_micros / 1e6, each.currency) for each in report.currencies if each.overspend_micros]
    return _figure("Overspend past any cap", ", ".join(over) or "0", "" if over else "in any day, month or lifetime")


def _currencies(report: RunReport) -> Html:
    head = [
        "Currency",
        "Campaigns",
        "Spent",
        "Budget" if report.over else "Budget so far",
        "Of budget",
        "Overspend",
        "Bought",
    ]
    rows = [
        [
            cell(each.currency), number(f"{each.campaigns:,}"), number(money(float(each.spend.sum()), each.currency)),
            number(money(float(each.plan.sum()), each.currency)),
            number(_part(each)),
            number(money(each.overspend_micros / 1e6, each.currency) if each.overspend_micros else "0"),
            cell(_bought(each), look="when"),
        ]
        for each in report.currencies
    ]  # fmt: skip
    return table(head, rows, label="Money by currency", right=range(1, 6))


def _bought(item: CurrencyReport) -> str:
    words = {"value": lambda amount: f"{money(amount, item.currency)} of value"}
    return ", ".join(
        words[goal](amount) if goal in words else f"{count(amount)} {goal}" for goal, amount in item.bought.items()
    )


def _left_out(report: RunReport) -> list[Html]:
    if not report.others:
        return []
    return [
        says(
            f"This page shows the {len(report.campaigns)} campaigns with the most money one by one. The other "
            f"{report.others:,} are part of every sum here, and not shown on their own."
        )
    ]


def _foot() -> Html:
    return el("footer", f"Made by swarm {version('swarm-ads')} from the run's journal alone.")
