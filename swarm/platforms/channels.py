"""The channels of the embedded market: one on each platform."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from swarm.platforms.protocol import Channel
from swarm.spec.delivery import OVER_DELIVERY


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How the embedded market plays one platform."""

    auction: Literal["second_price", "first_price"]
    report_lag_h: int
    """Whole hours by which reports are late."""
    conversion_lag_h: tuple[float, float]
    """Mean hours from click to reported conversion, of the fast and of the slow half."""
    click_rate: float
    """Usual clicks of an impression."""
    price_level: float
    """Typical price of a click over that of the campaign."""
    significant_edit: float
    """Part by which a budget or bid may be moved at once without a new learning phase."""


TERMS = MappingProxyType(
    {
        "google_ads": Terms(
            auction="second_price",
            report_lag_h=1,
            conversion_lag_h=(1.0, 20.0),
            click_rate=0.04,
            price_level=1.2,
            significant_edit=0.5,
        ),
        "meta": Terms(
            auction="second_price",
            report_lag_h=1,
            conversion_lag_h=(2.0, 24.0),
            click_rate=0.012,
            price_level=0.9,
            significant_edit=0.2,
        ),
        "tiktok": Terms(
            auction="first_price",
            report_lag_h=1,
            conversion_lag_h=(2.0, 18.0),
            click_rate=0.009,
            price_level=0.7,
            significant_edit=0.5,
        ),
        "linkedin": Terms(
            auction="first_price",
            report_lag_h=2,
            conversion_lag_h=(4.0, 36.0),
            click_rate=0.006,
            price_level=1.6,
            significant_edit=0.5,
        ),
    }
)
"""Every platform of the embedded market. Two sell at the second price and two at the first; reports come one to two
hours late; LinkedIn is dear, TikTok cheap."""

CHANNELS = tuple(
    Channel(
        name=platform,
        platform=platform,
        auction=terms.auction,
        over_delivery=OVER_DELIVERY[platform].as_integer_ratio(),
        report_lag_h=terms.report_lag_h,
        significant_edit=terms.significant_edit,
    )
    for platform, terms in TERMS.items()
)
"""What ``swarm run`` and ``swarm up`` spend on."""

FOUR = CHANNELS[:4]
"""What the benchmarks and the tests are computed on, so that figures stay comparable when a platform joins."""
