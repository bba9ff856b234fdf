"""JSON logs: one file an actor, one object a line.

structlog's configuration does not travel to Ray's workers, so each actor configures itself first of all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger


def configure_logging(swarm: str, agent: str, folder: Path) -> FilteringBoundLogger:
    """A logger that appends to ``folder/logs/<agent>.jsonl``; every line names swarm and agent."""
    path = folder / "logs" / f"{agent}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)

    def named(_logger: Any, _method: str, line: EventDict) -> EventDict:
        return {**line, "swarm": swarm, "agent": agent}  # of loggers, too, that know neither

    structlog.configure(
        processors=[
            named,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(path.open("a", encoding="utf-8")),
        cache_logger_on_first_use=False,
    )
    log: FilteringBoundLogger = structlog.get_logger()
    return log


def bind_tick(tick: int) -> None:
    """Name the market hour in every line that this task logs from now on."""
    structlog.contextvars.bind_contextvars(tick=tick)
