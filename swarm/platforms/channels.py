"""The four channels of the embedded market: one on each platform."""

from __future__ import annotations

from swarm.platforms.protocol import Channel
from swarm.spec.delivery import OVER_DELIVERY

FOUR = tuple(
    Channel(
        name=platform,
        platform=platform,
        auction=auction,
        over_delivery=OVER_DELIVERY[platform].as_integer_ratio(),
        report_lag_h=lag,
    )
    for platform, auction, lag in (
        ("google_ads", "second_price", 1),
        ("meta", "second_price", 1),
        ("tiktok", "first_price", 1),
        ("linkedin", "first_price", 2),
    )
)
"""Two sell at the second price and two at the first; reports come one to two hours late."""

CEILING_PERIOD = {"google_ads": "month", "meta": "week", "tiktok": "week", "linkedin": None}
"""Over which the sum of the daily budgets is a platform's own ceiling; LinkedIn publishes none."""

CONVERSION_LAG_H = {"google_ads": (1.0, 20.0), "meta": (2.0, 24.0), "tiktok": (2.0, 18.0), "linkedin": (4.0, 36.0)}
"""Mean hours from click to reported conversion, of the fast and of the slow half."""
