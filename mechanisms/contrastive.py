"""Contrastive alignment: rows that belong together are told from all others of the batch.

Symmetric InfoNCE (van den Oord et al. 2018; both directions: Radford et al. 2021).

Letters: N pairs, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(first: Tensor, second: Tensor, *, temperature: float | Tensor = 0.07) -> Tensor:
    """Mean over both directions of ``-log softmax_j(cos(a_i, b_j) / temperature)`` at ``j = i``.

    Args:
        first: [N, D]; row i belongs to row i of ``second``.
        second: [N, D].
        temperature: above 0; a tensor may be learned.

    Returns:
        [] at least 0; log N where nothing can be told apart.

    Raises:
        ValueError: if the shapes differ or are not [N, D].

    >>> pairs = torch.eye(3)
    >>> round(info_nce(pairs, pairs, temperature=0.05).item(), 6), round(info_nce(pairs, pairs * 0).item(), 4)
    (0.0, 1.0986)
    """
    if first.dim() != 2 or first.shape != second.shape:
        raise ValueError(f"first {tuple(first.shape)} and second {tuple(second.shape)}, expected both [N, D]")
    logits = F.normalize(first, dim=-1) @ F.normalize(second, dim=-1).mT / temperature
    pairs = torch.arange(len(first), device=first.device)
    return (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.mT, pairs)) / 2
