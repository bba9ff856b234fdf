"""Conversions that cease to come: a control chart of them, and the evidence without what it disputes.

A cumulative sum of log-likelihood ratios, "conversions come at a part of their usual rate" over "as usual", held
between zero and a ceiling (Page, Biometrika 1954). With ``h`` as its limit it calls a healthy portfolio no more often
than once in ``exp(h)`` hours, and no chart of that promise is faster by more than a constant (Lorden, Annals of
Mathematical Statistics 1971): a fall takes about ``h / KL`` hours, KL being the information of an hour.

What came in since the sum last left zero is what the chart has its doubts about. Once it calls, evidence goes without.

Letters: R campaigns, C channels, K creatives, P portfolios, F falls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from policies.frames import Bools, Evidence, Floats, Ints, pad, sums_of

FALLS = np.array([0.1, 0.4])
"""[F] parts of the usual rate that are looked for: next to nothing, and less than half."""
CALL = float(np.log(480.0))
"""Limit of the sum: at most one false call in 20 days."""
CEILING = float(np.log(480.0 * 50.0))
"""What the sum is held below, so that it comes down soon after the fall is over."""
_MEMORY = float(np.exp(-1.0 / 96.0))
_PRIOR = 3.0
"""Conversions behind "as expected" before any were seen."""


@dataclass(frozen=True, slots=True)
class Tracking:
    """The chart of each portfolio, and what is in doubt."""

    totals: Floats
    """[R, C, K, 2] matured clicks and conversions since the start, when last looked at; NaN where what was before is no
    news."""
    usual: Floats
    """[P, 2] conversions of the last days, reported and expected."""
    sums: Floats
    """[P, F]"""
    doubt: Floats
    """[R, C, K, 2] matured clicks and conversions since the sum left zero, discounted as the evidence is."""
    disputed: Floats
    """[R, C, K, 2] those that a call has taken out of the evidence, likewise."""
    hours: Ints
    """[P] hours since the sum left zero."""
    since: Floats
    """[P, C, 2] conversions of each channel in these hours, reported and expected."""

    @classmethod
    def empty(cls, shape: tuple[int, int, int], portfolios: int = 1) -> Tracking:
        """Nothing seen of campaigns, channels and creatives of ``shape``."""
        none, sums = np.zeros((*shape, 2)), np.zeros((portfolios, len(FALLS)))
        hours, since = np.zeros(portfolios, dtype=np.int64), np.zeros((portfolios, shape[1], 2))
        return cls(none, np.zeros((portfolios, 2)), sums, none, none, hours, since)

    def grown(self, shape: tuple[int, int, int]) -> Tracking:
        """The same with room for more campaigns and creatives."""
        totals, doubt, disputed = (pad(each, (*shape, 2)) for each in (self.totals, self.doubt, self.disputed))
        return replace(self, totals=totals, doubt=doubt, disputed=disputed)

    @property
    def level(self) -> Floats:
        """[P] the higher sum: that of the fall which explains the last hours best."""
        return np.asarray(self.sums.max(axis=1))

    def step(self, evidence: Evidence, rates: Floats, account: Ints, *, keep: Floats, trusted: bool = True) -> Tracking:
        """One hour on.

        Args:
            evidence: as reported.
            rates: [R, C, K] conversions to expect of a matured click; 0 where none are counted.
            account: [R] the portfolio of each campaign.
            keep: [R] share of the old that the evidence keeps of an hour.
            trusted: false where the evidence left the hour's conversions and their clicks out.
        """
        totals = evidence.totals[..., 1:]
        fresh = np.nan_to_num(totals - self.totals)
        seen = np.stack([fresh[..., 1] * (rates > 0), fresh[..., 0] * rates], axis=-1)
        hour = sums_of(seen.sum(axis=(1, 2)), account, len(self.sums))
        sums = np.clip(self.sums + _ratio(hour, self.usual), 0.0, CEILING)
        level, kept = sums.max(axis=1), keep[:, None, None, None]
        doubt = np.where(_of(level > 0.0, account), kept * self.doubt + fresh * trusted, 0.0)
        disputed, called = kept * self.disputed, _of(level >= CALL, account)
        since = self.since + sums_of(seen.sum(axis=2), account, len(self.sums))
        return Tracking(
            totals,
            _MEMORY * self.usual + hour,  # called or not: what lasts for days becomes the usual
            sums,
            np.where(called, 0.0, doubt),
            np.where(called, disputed + doubt, disputed),
            np.where(level > 0.0, self.hours + 1, 0),
            np.where(level[:, None, None] > 0.0, since, 0.0),
        )

    def believed(self, evidence: Evidence) -> Evidence:
        """``evidence`` without what is disputed."""
        matured, conversions = np.moveaxis(self.disputed, -1, 0)
        return replace(
            evidence,
            matured_clicks=np.maximum(evidence.matured_clicks - matured, 0.0),
            conversions=np.maximum(evidence.conversions - conversions, 0.0),
        )


def _ratio(hour: Floats, usual: Floats) -> Floats:
    """[P, F] log-likelihood ratio of each fall, of an hour's conversions [P, 2], reported and expected.

    Reported over expected has a Gamma posterior from the usual ones, so counts are negative binomial.
    """
    seen, expected = hour[:, :1], hour[:, 1:]
    a, b = usual[:, :1] + _PRIOR, usual[:, 1:] + _PRIOR
    return np.asarray(seen * np.log(FALLS) + (a + seen) * np.log((b + expected) / (b + FALLS * expected)))


def _of(portfolio: Bools, account: Ints) -> Bools:
    """[R, 1, 1, 1] what holds of each campaign's portfolio."""
    return np.asarray(portfolio[account][:, None, None, None])
