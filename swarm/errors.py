"""The runtime's own exceptions: what a caller can act on, whatever raised it underneath."""

from __future__ import annotations


class SwarmError(Exception):
    """Any failure that the runtime reports."""


class Overloaded(SwarmError):
    """Refused before any work was done: too much is waiting already; safe to try again later."""

    def __init__(self, retry_after_s: float) -> None:
        """Keep the seconds after which a new attempt makes sense."""
        # The only argument is also ``args``, so the error survives pickling between processes.
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        """Say when to come back."""
        return f"overloaded, retry after {self.retry_after_s:.3f} s"


class Unavailable(SwarmError):
    """The callee exists but cannot answer now; nothing was done."""


class Gone(SwarmError):
    """The callee no longer exists; nothing more will be done."""


class TimedOut(SwarmError):
    """No answer before the deadline; whether anything was done is unknown."""


class Failed(SwarmError):
    """The callee tried and failed; the cause is attached."""


class JournalError(SwarmError):
    """The journal could not be read or written; nothing of the write that was asked for is acknowledged."""
