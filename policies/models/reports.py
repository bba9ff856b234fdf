"""What a platform has reported of a campaign, 384 wide, as other platforms' models read it.

Letters: n reports, C numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.embedding import WIDTH as TEXT

WIDTH = 384
"""Width of a report: its text, then its numbers, then zeros."""
NUMBERS = ("click_rate", "conversion_rate", "spend", "clicks", "conversions")
"""Their order behind the text. Rates are logs over what is usual (on the platform for clicks, ``USUAL_CONVERSIONS`` for
conversions), drawn to it as if ``PRIOR`` more had been seen; the others are log(1 + x) / 10."""
USUAL_CONVERSIONS = 0.05
PRIOR = 2.0


def reports(
    text: NDArray[np.float32],
    usual: NDArray[np.float64],
    *,
    impressions: NDArray[np.float64],
    clicks: NDArray[np.float64],
    conversions: NDArray[np.float64],
    spend: NDArray[np.float64],
) -> NDArray[np.float32]:
    """[n, 384] of embeddings ``text`` [n, 256] of campaign and platform, the platforms' ``usual`` click rates [n], and
    what was counted [n], spend in currency units."""
    columns = (
        np.log((clicks + PRIOR) / (impressions * usual + PRIOR)),
        np.log((conversions + PRIOR) / (clicks * USUAL_CONVERSIONS + PRIOR)),
        *(np.log1p(count) / 10.0 for count in (spend, clicks, conversions)),
    )
    table = np.zeros((len(text), WIDTH), dtype=np.float32)
    table[:, :TEXT] = text
    table[:, TEXT : TEXT + len(NUMBERS)] = np.stack(columns, axis=1)
    return table
