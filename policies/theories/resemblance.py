"""How far creatives are from each other, as clouds of what they show: for ``policies.cold_start``.

Letters: C creatives, M points of each, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mechanisms.sliced_wasserstein import SlicedWassersteinAttention
from policies.entities import Creative
from policies.frames import Floats


def frame_distances(creatives: Sequence[Creative], *, projections: int = 256, seed: int = 0) -> Floats:
    """[C, C] sliced Wasserstein distances between the clouds of ``creatives``, in units of their embeddings.

    Raises:
        ValueError: without creatives, or if an embedding's width differs from the first one's.
    """
    widths = [creative.cloud.shape[1] for creative in creatives]
    if len(set(widths)) != 1:
        raise ValueError(f"clouds are {sorted(set(widths))} wide, expected creatives of one width")
    clouds = [torch.from_numpy(creative.cloud.astype(np.float64)) for creative in creatives]
    points, there = pad_sequence(clouds, batch_first=True), _there([len(cloud) for cloud in clouds])
    layer = SlicedWassersteinAttention.Config(width=widths[0], projections=projections, seed=seed).build().double()
    values = torch.zeros(1, len(creatives), 1, dtype=torch.float64)
    with torch.inference_mode():
        rows = [layer(cloud[None], points[None], values, there[None]) for cloud in clouds]
    return torch.cat([row.extras["distance"] for row in rows]).numpy()


def _there(sizes: Sequence[int]) -> Tensor:
    """[C, M] which points there are."""
    return torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
