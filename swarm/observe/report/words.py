"""Numbers and dates as people read them."""

from __future__ import annotations

from datetime import date, datetime
from math import floor, isfinite, log10

from swarm.spec.money import minor_digits

NBSP = "\N{NO-BREAK SPACE}"
"""Between a number and its unit, which stay on one line."""
_NOTHING = 1e-9
_SHORT = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
NAMES = {
    "google_ads": "Google Ads",
    "meta": "Meta",
    "tiktok": "TikTok",
    "linkedin": "LinkedIn",
    "equal_split": "Equal split",
    "auction_pacer": "Auction pacer",
    "logged_budgets": "Logged budgets",
    "logged_budgets_same_bidder": "Logged, own bids",
}
"""Platforms and baselines; other names stand as they are."""


def called(name: str) -> str:
    """What people call a platform or a baseline."""
    return NAMES.get(name, name)


def money(amount: float, currency: str) -> str:
    """An amount with its currency; without its decimals where there are none, and from a thousand on.

    >>> [money(amount, "USD").replace(NBSP, " ") for amount in (1234.5, 12.5, 780)], money(12.5, "JPY")[:2]
    (['1,234 USD', '12.50 USD', '780 USD'], '12')
    """
    digits = 0 if abs(amount) >= 1000 or amount == round(amount) else min(minor_digits(currency), 2)
    return f"{amount:,.{digits}f}{NBSP}{currency}"


def count(number: float) -> str:
    """A count that need not be whole: decimals only where it is small.

    >>> count(13629.2), count(3.14159), count(0)
    ('13,629', '3.1', '0')
    """
    return f"{number:,.0f}" if abs(number) >= 20 or number == round(number) else f"{number:,.1f}"


def share(part: float, digits: int = 0) -> str:
    """A fraction in per cent.

    >>> share(0.912, 1).replace(NBSP, " ")
    '91.2 %'
    """
    return f"{100 * part:.{digits}f}{NBSP}%" if isfinite(part) else "–"


def times(factor: float) -> str:
    """A multiple.

    >>> times(1.25)
    '×1.25'
    """
    return f"×{factor:.2f}"


def short(number: float) -> str:
    """A number for an axis.

    >>> short(1500), short(250), short(0.25), short(0)
    ('1.5k', '250', '0.25', '0')
    """
    for size, letter in _SHORT:
        if abs(number) >= size:
            return f"{number / size:.4g}{letter}"
    return f"{number:.4g}"


def day(when: date) -> str:
    """A day of a year that is clear.

    >>> day(date(2026, 3, 2)).replace(NBSP, " ")
    '2 Mar'
    """
    return f"{when.day}{NBSP}{when:%b}"


def days(first: date, last: date) -> str:
    """A span of days, both ends included.

    >>> days(date(2026, 3, 2), date(2026, 3, 15)).replace(NBSP, " ")
    '2 Mar to 15 Mar 2026'
    """
    return f"{day(first)} {last.year}" if first == last else f"{day(first)} to {day(last)} {last.year}"


def moment(when: datetime) -> str:
    """A local time.

    >>> moment(datetime(2026, 3, 2, 9)).replace(NBSP, " ")
    '2 Mar 09:00'
    """
    return f"{day(when)} {when:%H:%M}"


def plural(number: int, noun: str) -> str:
    """A count of things.

    >>> [plural(number, "day").replace(NBSP, " ") for number in (1, 1200)]
    ['1 day', '1,200 days']
    """
    return f"{number:,}{NBSP}{noun}{'' if number == 1 else 's'}"


def ticks(top: float, about: int = 4) -> list[float]:
    """Round numbers from 0 to at most ``top``, about so many steps.

    >>> ticks(1300)
    [0.0, 500.0, 1000.0]
    """
    if top < _NOTHING:
        return [0.0]
    rough = top / about
    power = 10.0 ** floor(log10(rough))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * 0.999)
    return [i * step for i in range(int(top / step * (1 + 1e-9)) + 1)]
