"""The most bytes of new tensors that a call has alive at once."""

from __future__ import annotations

import os
from itertools import accumulate
from typing import Any

from torch.profiler import ProfilerActivity, profile

from benchmarks.timing import Call

# The profiler's own progress is no warning; read when it first starts.
os.environ.setdefault("KINETO_LOG_LEVEL", "6")


def peak_bytes(call: Call) -> int:
    """Bytes at the highest moment of ``call``, counted from none at its start.

    Every allocation and release of torch on this processor counts, buffers inside its kernels as well; what was
    there before (parameters, inputs) does not.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        result = call()
    del result
    events: list[Any] = seen.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), int(event.nbytes())) for event in events if event.name() == "[memory]")
    return max(accumulate((change for _, change in changes), initial=0))
