"""One torch thread, so that tests share a machine with others."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
