"""Budgets whose worst day stays under the caps.

Letters: R campaigns, C channels. Money in any unit.
"""

from __future__ import annotations

import numpy as np

from policies.frames import Floats


def within_exposure(
    target: Floats, highest: Floats, over_delivery: Floats, exposure_cap: Floats, nominal_cap: Floats
) -> Floats:
    """[R, C] budgets towards ``target`` whose worst case stays under the caps.

    A target that would pass a cap by itself is shrunk in proportion first. ``highest`` [R, C]: the highest budgets
    in force today; they count until midnight even if lowered now, so a raise has only the room that they leave.
    """
    target = target * _fits(target, over_delivery, exposure_cap, nominal_cap)[:, None]
    lowered = np.minimum(target, highest)
    raised = target - lowered
    held = (np.maximum(highest, lowered) * over_delivery).sum(axis=1)
    worst = (raised * over_delivery).sum(axis=1)
    room = np.minimum(
        (exposure_cap - held) / np.maximum(worst, 1e-12),
        (nominal_cap - lowered.sum(axis=1)) / np.maximum(raised.sum(axis=1), 1e-12),
    )
    return np.asarray(lowered + raised * np.clip(room, 0.0, 1.0)[:, None])


def _fits(target: Floats, over_delivery: Floats, exposure_cap: Floats, nominal_cap: Floats) -> Floats:
    """[R] the largest part, 1 at most, of ``target`` that both caps allow."""
    worst = np.maximum((target * over_delivery).sum(axis=1), 1e-12)
    nominal = np.maximum(target.sum(axis=1), 1e-12)
    return np.asarray(np.minimum(1.0, np.minimum(exposure_cap / worst, nominal_cap / nominal)))
