"""What each mechanism of the whole swarm is replaced by when it is taken out, and where those are measured that decide
nothing in an hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar

from numpy.typing import NDArray

from benchmarks.decisions.whole import Parts
from benchmarks.tuning import Untuned
from swarm.actors.attention import AttentionService
from swarm.actors.feedback import FeedbackLoop
from swarm.attention.request import Answer, Request
from swarm.spec.sections import Guardrails


class _SimplyAnswered(AttentionService):
    """One use case says that it is simple: of such an answer the swarm takes features and signals, and no advice."""

    use_case: ClassVar[str]

    async def compute(self, use_case: str, request: Request) -> Answer:
        """The service's answer, marked where it is of the use case."""
        answer = await super().compute(use_case, request)
        return replace(answer, source="simple") if use_case == self.use_case else answer


class CreativesAlike(_SimplyAnswered):
    """No priors on creatives."""

    use_case = "creative_scoring"


class EqualFirstShares(_SimplyAnswered):
    """New campaigns begin with equal shares of their platforms."""

    use_case = "expert_routing"


class ChartsAlone(_SimplyAnswered):
    """Modes by the charts of conversions, prices and volume alone."""

    use_case = "health_monitoring"


class ShippedHeads(FeedbackLoop):
    """Creative scoring stays as it was shipped; health and tuning learn as ever."""

    async def _publish(self, use_case: str, head: Mapping[str, NDArray[Any]], version: int) -> None:
        if use_case == "health_monitoring":
            await super()._publish(use_case, head, version)


UNLIMITED = Guardrails(
    min_change=Decimal(0), max_change_per_step=Decimal(10), max_change_per_day=Decimal(10),
    max_bid_change_per_step=Decimal(10),
)  # fmt: skip
"""As wide as a campaign's file may have them: up to eleven times the value in one write, and down to nothing."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """A row of the ablation that takes decisions."""

    mechanism: str
    alternative: str
    parts: Parts


REPLACED: Mapping[str, Replaced] = MappingProxyType(
    {
        "creative_scoring": Replaced("multi-head", "all creatives alike", Parts(attention=CreativesAlike)),
        "expert_routing": Replaced("mixture of experts", "equal first shares", Parts(attention=EqualFirstShares)),
        "health_monitoring": Replaced("topology-gated", "control charts alone", Parts(attention=ChartsAlone)),
        "learning": Replaced("the scorer's head, refitted", "the head as shipped", Parts(feedback=ShippedHeads)),
        "tuning": Replaced("candidates on a canary", "fixed hyperparameters", Parts(feedback=Untuned)),
        "guardrails": Replaced("default steps", "the widest steps", Parts(guardrails=UNLIMITED)),
    }
)
"""Three mechanisms of the design's table, two ways of learning, and what the default guardrails cost."""


@dataclass(frozen=True, slots=True)
class Idle:
    """A row of the design's table that takes no decision in a swarm's hour."""

    mechanism: str
    alternative: str
    measured_by: str
    """The program that holds it against the alternative."""


_TRAIN = "policies.models.train --check"
IDLE: Mapping[str, Idle] = MappingProxyType(
    {
        "audience_hierarchy": Idle("hyperbolic", "mean of all tried", _TRAIN),
        "long_sequence": Idle("flash", "the account's mean", _TRAIN),
        "attribution": Idle("graph RoPE", "last click", "benchmarks.attribution"),
        "cross_platform": Idle("cross", "the others' mean rates", _TRAIN),
        "realtime_bidding": Idle("linear, with state", "the stream's mean", _TRAIN),
        "creative matching": Idle("sliced Wasserstein", "distance of mean frames", "benchmarks.creative"),
        "audience modelling": Idle("mixed curvature", "flat features", "benchmarks.audience"),
        "bid optimisation": Idle("natural gradient", "plain steps", "benchmarks.bandit"),
        "creative compression": Idle("information bottleneck", "PCA", "benchmarks.bottleneck"),
    }
)
"""Nothing in an hour asks for these; ``docs/ablation.md`` has the figures."""
