"""Crash points: a process that is killed after so many writes to the store.

``SWARM_KILL_AFTER_WRITES=5`` lets the process die of SIGKILL once the fifth statement that writes, or the fifth commit,
whichever is counted first, has come back. Without the variable nothing is counted.
"""

from __future__ import annotations

import os
import signal
from itertools import count

VARIABLE = "SWARM_KILL_AFTER_WRITES"
_last = int(os.environ.get(VARIABLE, "0"))
_writes = count(1)


def written() -> None:
    """Count a write that has just been made."""
    if _last and next(_writes) == _last:
        os.kill(os.getpid(), signal.SIGKILL)
