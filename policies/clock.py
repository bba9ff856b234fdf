"""Usual traffic ahead and behind, from a profile of the week.

Letters: R campaigns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.frames import Floats

Hours = NDArray[np.int32]


class Traffic:
    """Sums over a profile of 168 hours; hour 0 is Monday midnight."""

    def __init__(self, profile: Floats) -> None:
        self.profile = profile
        self._sum = np.concatenate([[0.0], np.cumsum(np.tile(profile, 3))])

    def at(self, hour: Hours) -> Floats:
        """[R] usual traffic of an hour of the week."""
        return np.asarray(self.profile[hour % 168])

    def ahead(self, hour: Hours, hours: Hours) -> Floats:
        """[R] usual traffic of the ``hours`` from ``hour`` on."""
        return np.asarray(self._sum[168 + hour + hours] - self._sum[168 + hour])

    def behind(self, hour: Hours, hours: Hours) -> Floats:
        """[R] usual traffic of the ``hours`` before ``hour``."""
        return np.asarray(self._sum[168 + hour] - self._sum[168 + hour - hours])
