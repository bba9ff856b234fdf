"""Decisions: deterministic given an rng; numpy at heart; no Ray, no I/O, no clock.

The seed's classes are found here by name and loaded when first asked for, since they need torch and the rest does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policies.engine import MarketingAttentionEngine
    from policies.theories.audience import AudienceModeler
    from policies.theories.bids import BidOptimizer
    from policies.theories.compression import CreativeCompressor
    from policies.theories.health import CampaignHealthMonitor
    from policies.theories.matching import CreativeDistributionMatcher

__all__ = [
    "AudienceModeler",
    "BidOptimizer",
    "CampaignHealthMonitor",
    "CreativeCompressor",
    "CreativeDistributionMatcher",
    "MarketingAttentionEngine",
]
_HOME = {
    "AudienceModeler": "policies.theories.audience",
    "BidOptimizer": "policies.theories.bids",
    "CampaignHealthMonitor": "policies.theories.health",
    "CreativeCompressor": "policies.theories.compression",
    "CreativeDistributionMatcher": "policies.theories.matching",
    "MarketingAttentionEngine": "policies.engine",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
