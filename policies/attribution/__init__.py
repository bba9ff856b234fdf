"""What each channel is worth, from the paths of people who bought and of those who did not.

    from policies.attribution import Path, Paths, markov
    paths = Paths.of([Path(touches=[("video", 0.0), ("search", 3600.0)], conversions=1, value=30.0),
                      Path(touches=[("video", 0.0)])])
    markov(paths)                               # {"search": 15.0, "video": 15.0}

Rules of thumb (``first_touch``, ``last_touch``, ``linear``, ``time_decay``, ``position_based``), a chain (``markov`` of
any order), games (``shapley``), and, as the only one that asks what a channel causes, ``ConversionModel`` with a
randomised holdout (``lift_test``, ``calibrate``).
"""

from policies.attribution.chain import markov, removal_effects
from policies.attribution.coalitions import shapley, shapley_of_conversions
from policies.attribution.hazard import ConversionModel
from policies.attribution.heuristics import first_touch, last_touch, linear, position_based, time_decay
from policies.attribution.holdout import Lift, calibrate, lift_test
from policies.attribution.paths import Path, Paths, shares

__all__ = [
    "ConversionModel",
    "Lift",
    "Path",
    "Paths",
    "calibrate",
    "first_touch",
    "last_touch",
    "lift_test",
    "linear",
    "markov",
    "position_based",
    "removal_effects",
    "shapley",
    "shapley_of_conversions",
    "shares",
    "time_decay",
]
