"""The coordinator without Ray: it assesses health, prices money, and learns where to ask attention.

Letters: R campaigns, C channels, K creatives, A agents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies import learning, planning
from policies.clock import USUAL_SEASON, Traffic, season
from policies.creative import Turns
from policies.embedding import embed_text
from policies.estimation import CreativePrior
from policies.evidence import kept_an_hour
from policies.frames import Bools, Evidence, Floats, Ints, Plan, pad
from policies.health import FEWEST, Charts, Gate, Mode, Thresholds, portfolio_state
from policies.levels import Levels
from policies.planning import Clock
from policies.tracking import Tracking
from policies.tuning import Hyper, Tuning
from swarm import portfolio as arrays
from swarm.alarms import Alarm, alarms
from swarm.attention.request import Answer, Request
from swarm.effects.lease import Lease
from swarm.platforms.calendar import Calendar, Moment, of_day
from swarm.platforms.protocol import Channel
from swarm.spec.campaign import Campaign
from swarm.spec.config import SwarmConfig
from swarm.spec.money import MICROS

LEASE_TICKS = 3
"""Market hours that a lease outlives its heartbeat."""

SIGNALS = ("structure", "change", "surprise")
"""What health is judged by."""
WARM_UP_TICKS = 24
"""Market hours before health is judged: until then nothing is usual."""


def opening_hyper(config: SwarmConfig) -> Hyper:
    """The first version of the hyperparameters, as the configuration has them."""
    return Hyper(
        1,
        {
            "pacing_gain": config.pacing.gain,
            "pacing_max_step": config.pacing.max_step,
            "memory_days": config.allocation.window_days,
            "allocation_move": config.allocation.max_move,
            "exploration": config.allocation.exploration,
            "creative_exploration": config.creative.exploration,
            "routing_temperature": config.routing.temperature,
        },
    )


def hour_clock(moment: Moment, item: Evidence, traffic: Traffic, daily: Ints) -> Clock:
    """The hour to plan for; ``daily`` [R, D]: micros that may be spent on each campaign's own days."""
    silent = np.where(item.tick >= 0, moment.tick - 1 - item.tick, 0)
    unseen = np.minimum(silent, moment.hour[:, None] % 24)
    return Clock(
        day=moment.day.astype(np.float64),
        new_day=moment.new_day,
        day_ends=moment.hours_left == 1,
        money=day_money(daily, moment.day),
        age_days=(moment.day - (daily > 0).argmax(axis=1)).astype(np.float64),
        traffic_left=traffic.ahead(moment.hour, moment.hours_left),
        traffic_unseen=traffic.behind(moment.hour[:, None], unseen.astype(np.int32)),
    )


def day_money(daily: Ints, day: NDArray[np.int32]) -> Floats:
    """[R] of each campaign's local ``day`` [R], currency units; 0 outside the days of ``daily`` [R, D]."""
    return of_day(daily, day) / MICROS


@dataclass
class Attention:
    """The newest answers; what decisions use while the service is away."""

    creative: CreativePrior
    """What the scorer expects of the creatives; nothing before its first head."""
    shares: Floats
    """[R, C] prior shares."""
    creative_features: Floats | None = None
    """[R, K, 64]"""
    coherence: float = 1.0
    blame: Floats | None = None
    """[R] each campaign's part in the health signals."""
    signals: dict[str, float] = field(default_factory=dict)
    stale: tuple[str, ...] = ()
    """Use cases whose last call failed."""


class Brain:
    """The coordinator's state and its decisions, one market hour after another."""

    def __init__(self, config: SwarmConfig, channels: tuple[Channel, ...], traffic: Traffic) -> None:
        """No campaigns yet."""
        self.config, self.channels, self.traffic = config, channels, traffic
        self.campaigns: list[Campaign] = []
        self.tuning = Tuning.start(opening_hyper(config))
        self._gate = Gate()
        self.floor = Mode.STABLE
        """The best mode that the swarm may be in, whatever the gate and people say."""
        self.careful: tuple[int, ...] = ()
        """Campaigns that are in CAUTIOUS by themselves."""
        self.epoch = 1
        self._ledger: planning.Ledger | None = None
        self._reference: Floats | None = None
        self._charts, self._charted = Charts.empty((0, len(channels), 1)), 1.0
        self.attention = Attention(CreativePrior.none((0, 1)), np.ones((0, len(channels))))
        self.cells: Floats = np.zeros((0, len(channels), 1))
        self.paused: frozenset[str] = frozenset()

    @property
    def gate(self) -> Gate:
        """The gate as it counts: no better than the floor."""
        return replace(self._gate, mode=max(self._gate.mode, self.floor, key=list(Mode).index))

    @gate.setter
    def gate(self, gate: Gate) -> None:
        self._gate = gate

    def admit(self, campaigns: list[Campaign], calendar: Calendar, daily: Ints) -> None:
        """Take campaigns on; those that run keep their rows and what was learnt.

        ``calendar`` and ``daily`` [R, days], micros that may be spent on each local day, are of all campaigns.
        """
        self.campaigns = [*self.campaigns, *campaigns]
        self.calendar, self.daily, self.days = calendar, daily, daily.shape[1]
        self.portfolio = arrays.portfolio(self.campaigns, self.channels)
        rows, channels, creatives = self.portfolio.shape
        equal = self.portfolio.allowed / self.portfolio.allowed.sum(axis=1, keepdims=True)
        old = self.attention
        known = len(old.shares)
        shares = equal.copy()
        shares[:known] = old.shares
        self.attention = replace(
            old,
            creative=old.creative.grown((rows, creatives)),
            shares=shares,
            creative_features=None,
        )
        self.cells = pad(self.cells, (rows, channels, creatives))
        self.tuning, self._charts = self.tuning.grown(rows), self._charts.grown((rows, channels, creatives))
        seasons = np.atleast_1d(self.traffic.season)[:known]
        self.traffic = replace(self.traffic, season=pad(seasons, (rows,), fill=USUAL_SEASON))
        self._reference = None

    # ---- what is asked of attention

    def creative_request(self) -> Request:
        """All creatives of all campaigns, as elements."""
        texts, genomes = arrays.creative_elements(self.campaigns, self.portfolio.shape[2])
        return Request(query=texts, key=genomes, value=genomes)

    def routing_request(self) -> Request:
        """All campaigns against the platform experts."""
        experts = np.stack([embed_text(f"{c.name} {c.auction}") for c in self.channels]).astype(np.float32)
        query, gates = arrays.campaign_embeddings(self.campaigns), np.eye(len(experts), dtype=np.float32)
        key, value = (np.repeat(each[None], len(query), axis=0) for each in (experts, gates))
        return Request(query=query, key=key, value=value, mask=self.portfolio.allowed)

    def health_request(self, item: Evidence) -> Request | None:
        """The portfolio's state against its recent past, once an hour; None where there is too little to be judged by
        more than the charts."""
        self._chart(item)
        state, surprise = portfolio_state(item.residual)
        reference = self._reference
        self._reference = state if reference is None else 0.7 * reference + 0.3 * state
        seen = np.asarray(
            np.isfinite(item.residual[..., :3]).any(axis=(1, 2))
        )  # a resting campaign says nothing of health
        if reference is None or item.tick.min() < WARM_UP_TICKS or seen.sum() < FEWEST:
            self.attention.coherence, self.attention.blame = self._charted, None
            return None
        return Request(query=state[None], key=reference[None], value=surprise[None], mask=seen[None])

    def _chart(self, item: Evidence) -> None:
        """Conversions, prices and volume of each channel; agents left conversions out while the mode was FREEZE."""
        rates = np.where((self.portfolio.unit_value > 0)[:, None, None], self.cells, 0.0)
        account, trusted = np.zeros(len(rates), dtype=np.int64), self.gate.mode != Mode.FREEZE
        self._charts, seen = self._charts.step(item, rates, account, keep=self.keep, trusted=trusted)
        self._charted = float(seen[0]) if item.tick.min() >= WARM_UP_TICKS else 1.0

    def hear_creatives(self, answer: Answer) -> None:
        """Take the creative scores on as priors; a scorer that answers simply says nothing."""
        rows, _, creatives = self.portfolio.shape
        overall = answer.output[:, 0, -1].reshape(rows, creatives).astype(np.float64)
        self.attention.creative_features = answer.extras["features"].reshape(rows, creatives, -1).astype(np.float64)
        if answer.source != "simple":
            doubt = answer.extras["doubt"].reshape(rows, creatives).astype(np.float64)
            self.attention.creative = learning.creative_prior(overall, doubt, self.portfolio.creatives)

    def hear_routes(self, answer: Answer) -> None:
        """Take the router's gates on as prior shares; a router that answers simply means equal shares."""
        if answer.source != "simple":
            gates = answer.output[:, 0].astype(np.float64)
            self.attention.shares = learning.prior_shares(
                gates,
                self.portfolio.allowed,
                weight=self.config.routing.prior_weight,
                temperature=self.tuning.settings()["routing_temperature"],
            )

    def hear_health(self, answer: Answer | None) -> None:
        """Take coherence on; no answer where one was due is bad health."""
        if answer is None:
            self.attention.coherence = float("nan")
            return
        self.attention.signals = {name: float(answer.extras[name][0]) for name in SIGNALS}
        measured = float(answer.extras["coherence"][0]) if answer.source != "simple" else 1.0
        self.attention.coherence = min(measured, self._charted)
        self.attention.blame = answer.output[0, :, 0].astype(np.float64)

    # ---- decisions

    def assess(self, tick: int) -> list[str]:
        """Set the mode from coherence; returns the campaigns that did most to a transition, worst first."""
        health = self.config.health
        limits = Thresholds(health.stable, health.freeze, health.hysteresis, health.dwell_ticks)
        before = self.gate
        self._gate = self._gate.step(self.attention.coherence, tick, limits)
        if self.gate.mode == before.mode:
            return []
        self.epoch += 1
        return self.culprits()

    def culprits(self) -> list[str]:
        """The three campaigns that moved the health signals most."""
        blame = self.attention.blame
        if blame is None:
            return []
        worst = np.argsort(-blame, kind="stable")[:3]
        return [self.campaigns[i].name for i in worst if blame[i] > 0]

    def alarms(self) -> list[Alarm]:
        """The charts that alone would end STABLE; none before anything is usual."""
        if self._charted >= self.config.health.stable:
            return []
        return alarms(self._charts, [channel.name for channel in self.channels], self.config.health)

    def lease(self, tick: int, expires_s: float = inf) -> Lease:
        """Leave to act in this hour and the next two, until Unix time ``expires_s``."""
        may_raise = self.attention.coherence >= self.config.health.cautious  # not where coherence is NaN
        mode, version = self.gate.mode, self.tuning.hyper.version
        resting = tuple(np.flatnonzero(~self.running).tolist())
        return Lease(self.epoch, mode, may_raise, version, tick + LEASE_TICKS, self.careful, resting, expires_s)

    def clock(self, moment: Moment, item: Evidence) -> Clock:
        """The hour to plan for, in each campaign's own day."""
        return hour_clock(moment, item, self.traffic, self.daily)

    def plan(self, moment: Moment, item: Evidence, highest: Ints, room: Floats) -> Plan:
        """One hour's plan; ``highest`` [R, C]: highest budgets of the day, micros; ``room`` [R]: what the longer
        caps leave for a day's worst case, currency units."""
        self.traffic = replace(self.traffic, season=season(item.pattern))
        item = self._charts.tracking.believed(item)
        known = replace(self.portfolio, exposure_cap=np.minimum(self.portfolio.exposure_cap, room))
        made, self._ledger, self._proof = planning.plan(
            known,
            self._carried(),
            item,
            self.clock(moment, item),
            self.tuning.settings(),
            creative_prior=self.attention.creative,
            prior_shares=self.attention.shares,
            highest_budget=highest / MICROS,
        )
        self.cells = planning.conversion_rates(self.portfolio, item, self.attention.creative)
        return replace(made, deliver=made.deliver & self.running)

    def money(self, day: NDArray[np.int32]) -> Floats:
        """[R] what may be spent on each campaign's local ``day`` [R], currency units; 0 where it rests."""
        return day_money(self.daily, day)

    @property
    def running(self) -> Bools:
        """[R] campaigns that nobody has paused."""
        return np.array([campaign.name not in self.paused for campaign in self.campaigns], dtype=np.bool_)

    @property
    def keep(self) -> Floats:
        """[R] share of its evidence that an hour keeps."""
        return kept_an_hour(self.tuning.settings()["memory_days"])

    def _carried(self) -> planning.Ledger:
        fresh = planning.Ledger.start(self.portfolio, self.attention.shares)
        if self._ledger is None:
            return fresh
        return self._ledger.grown(fresh)

    def proof(self, ended: Bools) -> dict[str, Any]:
        """Why each campaign's next split is the best one on its own model; of those whose day has ``ended`` [R]."""
        proof, names = self._proof, [channel.name for channel in self.channels]
        if proof is None:
            return {}
        return {
            self.campaigns[r].name: {
                "price": float(proof.price[r]),
                "marginal": dict(zip(names, proof.marginal[r].tolist(), strict=True)),
                "at_minimum": [name for name, at in zip(names, proof.at_minimum[r], strict=True) if at],
                "at_maximum": [name for name, at in zip(names, proof.at_maximum[r], strict=True) if at],
                "gain_over_equal": float(proof.gain_over_equal[r]),
                "gain_over_current": float(proof.gain_over_current[r]),
            }
            for r in np.flatnonzero(ended)
        }

    # ---- persistence

    def state(self) -> dict[str, NDArray[Any]]:
        """What must survive the coordinator, beside the journal's tables.

        Prices and splits are of the campaigns that were planned already: the others begin with what attention says in
        their first hour, whether that hour is the first try or not.
        """
        carried, planned = self._carried(), 0 if self._ledger is None else len(self._ledger.price)
        reference = np.zeros((0, 0)) if self._reference is None else self._reference
        return {
            "price": carried.price[:planned],
            "split": carried.split[:planned],
            "rotation": carried.rotation[:planned],
            "turns": carried.turns[:planned],
            "cells": self.cells,
            "creative": self.attention.creative.factor,
            "creative_doubt": self.attention.creative.doubt,
            "creative_own": np.array(self.attention.creative.own),
            "shares": self.attention.shares,
            "reference": reference,
            "season": np.asarray(self.traffic.season),
            "epoch": np.array(self.epoch),
            "since": np.array(self._gate.since),
            "held": np.array(self._gate.held),
            "mode": np.array(str(self._gate.mode)),
            "paused": np.array(sorted(self.paused), dtype=np.str_),
            **{f"tuning_{name}": array for name, array in self.tuning.as_arrays().items()},
            **_arrays(self._charts),
        }

    def late(self) -> dict[str, NDArray[Any]]:
        """What of ``state`` may begin in the middle of a run: the season, and charts and creatives' turns to which the
        past is no news."""
        rows, _, creatives = self.portfolio.shape
        turns = Turns.late((rows, creatives)).counts
        return {"season": np.full(rows, USUAL_SEASON), "turns": turns, **_arrays(Charts.late(self.portfolio.shape))}

    def resume(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from ``state``; the epoch moves on, so that a zombie's leases are stale."""
        ledger = planning.Ledger(*(state[f.name] for f in fields(planning.Ledger)))
        self._ledger = ledger if len(ledger.price) else None
        self.cells = state["cells"]
        own = float(state["creative_own"])
        self.attention.creative = CreativePrior(state["creative"], state["creative_doubt"], own)
        self.attention.shares = state["shares"]
        self.traffic = replace(self.traffic, season=state["season"])
        self._reference = state["reference"] if state["reference"].size else None
        self.epoch = max(self.epoch, int(state["epoch"])) + 1
        self.paused = frozenset(state["paused"].tolist())
        self.tuning = Tuning.from_arrays(_named(state, "tuning_"))
        self._charts = Charts(Tracking(**_named(state, "tracking_")), Levels(**_named(state, "levels_")))
        self.gate = Gate(Mode(str(state["mode"])), int(state["since"]), held=bool(state["held"]))

    def take_back(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Be as in ``state``, from before an hour that failed, but for what people have asked for since."""
        asked, paused = self._gate, self.paused
        self.resume(state)
        self.paused = paused
        if asked.held or self._gate.held:
            self.gate = asked


def _arrays(charts: Charts) -> dict[str, NDArray[Any]]:
    return {
        **{f"tracking_{name}": array for name, array in asdict(charts.tracking).items()},
        **{f"levels_{name}": array for name, array in asdict(charts.levels).items()},
    }


def _named(state: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
