"""How far past its daily budget a platform may spend."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

OVER_DELIVERY: Mapping[str, Fraction] = MappingProxyType(
    {
        "google_ads": Fraction(2),
        "meta": Fraction(7, 4),
        "tiktok": Fraction(5, 4),
        "linkedin": Fraction(3, 2),
    }
)
"""The most that one day may cost, as a multiple of the highest budget in force on that day.

Google Ads publishes twice the average daily budget and TikTok 125 % of the day's highest budget.
Meta's developer pages say 125 %, but many accounts are reported to run to 175 %, so that is what
counts here. For LinkedIn 150 % is reported. A limit on exposure that holds under these factors holds
even if the runtime dies and the budget stays on the platform.
"""

Ceiling = Literal["week", "month"]

CEILING: Mapping[str, Ceiling | None] = MappingProxyType(
    {
        "google_ads": "month",
        "meta": "week",
        "tiktok": "week",
        "linkedin": None,
    }
)
"""Over which a platform publishes a longer ceiling than the day's.

Google Ads charges no more than 30.4 average daily budgets in a calendar month; after an edit what is spent so far and
the new budget on each day that is left. Meta and TikTok charge no more than seven daily budgets from Sunday to
Saturday; what an edit does to the week is not documented. LinkedIn publishes nothing.
"""
