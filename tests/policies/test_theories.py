"""The seed's five classes: each returns what the seed says it returns."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import ot
import pytest

from policies import (
    AudienceModeler,
    BidOptimizer,
    CampaignHealthMonitor,
    CreativeCompressor,
    CreativeDistributionMatcher,
)
from policies.entities import CampaignState, Creative, Genome, UserFeatures
from policies.health import RECOMMENDATIONS, Mode

GENOMES = {
    "sale": Genome.of("urgency", "savings", "loss"),
    "praise": Genome.of("proof", "quality", "social"),
    "story": Genome.of("story", "ease", "gain"),
}


def creative(name: str, text: str, genome: str, frames: int = 0) -> Creative:
    rng = np.random.default_rng(len(text))
    plain = Creative.of(name, text, GENOMES[genome])
    if not frames:
        return plain
    return Creative(id=name, embedding=plain.embedding, genome=plain.genome, frames=rng.normal(size=(frames, 256)))


class TestMatching:
    """Optimal transport between creatives."""

    def test_the_creative_of_the_same_elements_matches_best(self) -> None:
        """And a creative matches itself at no distance."""
        old = [creative("a", "Half price until Sunday", "sale"), creative("b", "Loved by guests", "praise")]
        matcher = CreativeDistributionMatcher()
        assert (
            matcher.match_performance_distribution(creative("c", "Only three days", "sale"), old).best_match is old[0]
        )
        itself = matcher.match_performance_distribution(old[1], old)
        assert itself.best_match is old[1]
        assert itself.wasserstein_distance == pytest.approx(0.0, abs=1e-6)

    def test_the_plan_moves_all_of_one_onto_all_of_the_other_as_cheaply_as_can_be(self) -> None:
        """Marginals are uniform over the points of each, of unequal number, and the cost is POT's."""
        new, old = (
            creative("new", "Five frames", "story", frames=5),
            creative("old", "Seven frames here", "story", frames=7),
        )
        plan = CreativeDistributionMatcher().match_performance_distribution(new, [old]).transport_plan
        assert plan.sum(axis=1) == pytest.approx(np.full(5, 1 / 5))
        assert plan.sum(axis=0) == pytest.approx(np.full(7, 1 / 7))
        cost = ot.dist(new.cloud, old.cloud)
        assert (plan * cost).sum() == pytest.approx(ot.emd2(np.full(5, 1 / 5), np.full(7, 1 / 7), cost))

    def test_what_cannot_be_compared_is_refused(self) -> None:
        """No top performers, or points of another width."""
        new, matcher = creative("new", "text", "sale"), CreativeDistributionMatcher()
        with pytest.raises(ValueError, match="no top performers"):
            matcher.match_performance_distribution(new, [])
        narrow = Creative(id="narrow", embedding=np.ones(3), genome=Genome(*np.ones((3, 3))))
        with pytest.raises(ValueError, match="narrow: points"):
            matcher.match_performance_distribution(new, [narrow])


def people(count: int, seed: int = 0) -> tuple[list[UserFeatures], np.ndarray]:
    """People of four kinds, two of which are alike in interests; and the kind of each."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, 320)) / 6
    centres[1, 128:256] = centres[0, 128:256]
    kinds = np.arange(count) % 4
    rows = centres[kinds] + 0.02 * rng.normal(size=(count, 320))
    return [UserFeatures(demographics=r[:128], interests=r[128:256], behavior=r[256:]) for r in rows], kinds


class TestAudience:
    """Mixed curvature."""

    def test_people_of_one_kind_share_a_segment_and_a_way_down_the_hierarchy(self) -> None:
        """Every person's largest share is the segment of their kind, for people who were not in the fit too."""
        known, kinds = people(80)
        modeler = AudienceModeler().fit(known, segments=4)
        fresh, fresh_kinds = people(40)
        found = [modeler.model_audience(each) for each in fresh]
        segment = {int(kind): int(modeler.model_audience(known[kind]).segments.argmax()) for kind in kinds[:4]}
        assert sorted(segment.values()) == [0, 1, 2, 3]
        assert [each.segments.argmax() for each in found] == [segment[int(kind)] for kind in fresh_kinds]
        assert [each.segments.sum() for each in found] == pytest.approx(np.ones(40), rel=1e-5)

    def test_the_hierarchy_narrows_from_all_to_one_and_joins_the_alike_first(self) -> None:
        """Each level is a part of the one above; the two kinds with equal interests part last."""
        known, _ = people(80)
        modeler = AudienceModeler().fit(known, segments=4)
        first, second = (modeler.model_audience(known[kind]).hierarchy for kind in (0, 1))
        for path in (first, second):
            assert path[0] == (0, 1, 2, 3)
            assert all(set(low) < set(high) for high, low in pairwise(path))
            assert len(path[-1]) == 1
        assert first[-2] == second[-2]

    def test_without_segments_or_with_other_features_it_says_so(self) -> None:
        """``fit`` comes first, and widths are those of the constructor."""
        known, _ = people(8)
        with pytest.raises(ValueError, match="call fit"):
            AudienceModeler().model_audience(known[0])
        with pytest.raises(ValueError, match="9 segments of 8 people"):
            AudienceModeler().fit(known, segments=9)
        with pytest.raises(ValueError, match=r"features have shapes .* expected \(2, 2, 2\)"):
            AudienceModeler(euclidean_dim=2, hyperbolic_dim=2, spherical_dim=2).fit(known, segments=2)
        with pytest.raises(ValueError, match=r"curvature_h 1\.0"):
            AudienceModeler(curvature_h=1.0)


class TestHealth:
    """The topology gate."""

    def watched(self, windows: int, seed: int) -> tuple[CampaignHealthMonitor, np.random.Generator]:
        rng, monitor = np.random.default_rng(seed), CampaignHealthMonitor()
        for _ in range(windows):
            monitor.monitor_health(window(rng))
        return monitor, rng

    @pytest.mark.parametrize("seed", range(3))
    def test_healthy_windows_are_stable_and_a_break_freezes_and_names_its_campaigns(self, seed: int) -> None:
        """The campaigns that broke are those with the lowest scores; then nothing but waiting is recommended."""
        monitor, rng = self.watched(100, seed)
        calm = monitor.monitor_health(window(rng))
        assert (calm.mode, calm.step_share) == (Mode.STABLE, 1.0)
        broken = monitor.monitor_health(window(rng, shift=5.0))
        assert (broken.mode, broken.step_share) == (Mode.FREEZE, 0.0)
        assert broken.recommendations == RECOMMENDATIONS[Mode.FREEZE]
        assert set(sorted(broken.scores, key=lambda name: broken.scores[name])[:3]) <= {"c0", "c1", "c2", "c3", "c4"}
        assert min(broken.scores.values()) == pytest.approx(broken.coherence)

    def test_the_order_of_campaigns_does_not_matter(self) -> None:
        """The same portfolio in another order has the same coherence and scores."""
        reports = []
        for turn in (1, -1):
            rng, monitor = np.random.default_rng(5), CampaignHealthMonitor()
            reports.append([monitor.monitor_health(window(rng)[::turn]) for _ in range(30)][-1])
        assert reports[0].coherence == pytest.approx(reports[1].coherence)
        assert reports[0].scores == pytest.approx(reports[1].scores)

    def test_missing_health_is_bad_health(self) -> None:
        """A metric that is NaN freezes, and its campaign has the lowest score."""
        monitor, rng = self.watched(40, 1)
        blind = window(rng)
        blind[3] = CampaignState(id="c3", metrics=np.full(4, np.nan))
        report = monitor.monitor_health(blind)
        assert (report.mode, report.coherence, report.scores["c3"]) == (Mode.FREEZE, 0.0, 0.0)
        assert report.scores["c4"] == 1.0

    def test_a_campaign_may_join_and_leave(self) -> None:
        """A newcomer has no past to be compared with, and nobody is alarmed."""
        monitor, rng = self.watched(60, 2)
        grown = [*window(rng)[5:], CampaignState(id="new", metrics=np.full(4, 1e6))]
        assert monitor.monitor_health(grown).mode == Mode.STABLE

    def test_thresholds_and_metrics_are_checked(self) -> None:
        """Thresholds rise, campaigns have the same metrics, and there is one."""
        with pytest.raises(ValueError, match="freeze <= cautious <= stable"):
            CampaignHealthMonitor(cautious_threshold=0.9)
        with pytest.raises(ValueError, match="no campaigns"):
            CampaignHealthMonitor().monitor_health([])
        uneven = [CampaignState(id="a", metrics=np.ones(2)), CampaignState(id="b", metrics=np.ones(3))]
        with pytest.raises(ValueError, match=r"b: metrics have shape \(3,\), expected \(2,\)"):
            CampaignHealthMonitor().monitor_health(uneven)


def window(rng: np.random.Generator, shift: float = 0.0) -> list[CampaignState]:
    """Twenty campaigns of different size; ``shift`` in their own standard deviations moves the first five."""
    size = 1.0 + np.arange(20)
    metrics = size[:, None] * (10.0 + rng.normal(size=(20, 4)) + np.where(np.arange(20) < 5, shift, 0.0)[:, None])
    return [CampaignState(id=f"c{i}", metrics=row) for i, row in enumerate(metrics)]


class TestBids:
    """Natural gradient on log-normal bids."""

    def test_bids_move_against_the_gradient_by_shares_and_stay_in_range(self) -> None:
        """The unit of money does not matter, and the bounds hold."""
        bids, slope = np.array([1.0, 2.0, 19.9, 0.051]), np.array([0.4, -0.4, -9.0, 90.0])
        moved = BidOptimizer(bid_min=0.05, bid_max=20.0).optimize_bids(bids, slope)
        assert (np.sign(bids - moved) == np.sign(slope)).all()
        assert moved[2:].tolist() == [20.0, 0.05]
        cents = BidOptimizer(bid_min=5.0, bid_max=2_000.0).optimize_bids(100 * bids, slope / 100)
        assert cents == pytest.approx(100 * moved)

    def test_a_steep_gradient_stops_at_the_trust_region(self) -> None:
        """However steep, one step changes a bid's distribution by no more than the limit."""
        optimizer = BidOptimizer(bid_min=1e-3, bid_max=1e3, spread=0.3, trust_region=0.02)
        moved = optimizer.optimize_bids(np.array([1.0, 1.0]), np.array([-1e3, -1e6]))
        log = np.log(moved)
        assert log**2 / (2 * 0.3**2) == pytest.approx([0.02, 0.02], rel=1e-3)

    def test_what_is_no_bid_is_refused(self) -> None:
        """Zero, NaN, other shapes and impossible bounds."""
        optimizer = BidOptimizer(bid_min=0.1, bid_max=1.0)
        with pytest.raises(ValueError, match=r"bid 0\.0 with gradient 1\.0 at 1"):
            optimizer.optimize_bids(np.array([1.0, 0.0]), np.ones(2))
        with pytest.raises(ValueError, match=r"bids \(2,\) and gradients \(3,\)"):
            optimizer.optimize_bids(np.ones(2), np.ones(3))
        with pytest.raises(ValueError, match="0 < bid_min <= bid_max"):
            BidOptimizer(bid_min=2.0, bid_max=1.0)


class TestCompression:
    """The information bottleneck; its own laws are in tests/mechanisms."""

    def test_an_essence_keeps_what_converts_and_says_how_much(self) -> None:
        """From the essence alone the planted direction is read back; without a signal nothing is claimed."""
        rng = np.random.default_rng(0)
        embeddings, shown = rng.normal(size=(1_000, 32)), np.full(1_000, 200)
        chance = 1 / (1 + np.exp(3 - embeddings[:, 0]))
        compressor = CreativeCompressor(dim=32, compressed_dim=8).fit(
            embeddings, rng.binomial(shown, chance), shown, steps=400
        )
        fresh = rng.normal(size=(200, 32))
        genome = Genome(*fresh[:3])
        found = compressor.extract_essences(
            [Creative(id=str(i), embedding=row, genome=genome) for i, row in enumerate(fresh)]
        )
        essences = np.stack([each.essence for each in found])
        fitted = np.column_stack([essences, np.ones(200)])
        read = fitted @ np.linalg.lstsq(fitted, fresh[:, 0], rcond=None)[0]
        assert np.corrcoef(read, fresh[:, 0])[0, 1] > 0.9
        assert found[7].original_id == "7"
        assert found[0].information_preserved > 0.3
        blank = CreativeCompressor(dim=32, compressed_dim=8).fit(
            embeddings, rng.binomial(shown, 0.05), shown, steps=100
        )
        assert blank.extract_essence(Creative(id="x", embedding=fresh[0], genome=genome)).information_preserved < 0.05

    def test_it_has_to_learn_first_and_checks_what_it_is_given(self) -> None:
        """Before ``fit``, other widths, too few creatives."""
        one = creative("a", "text", "sale")
        with pytest.raises(ValueError, match="call fit"):
            CreativeCompressor().extract_essence(one)
        with pytest.raises(ValueError, match="N >= 8"):
            CreativeCompressor().fit(np.ones((4, 256)), np.ones(4, int), np.ones(4, int))
