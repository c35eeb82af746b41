"""Gives what the engine logs to `logging`."""

from __future__ import annotations

import logging

from shared_session import _engine

_logger = logging.getLogger("shared_session")


def deliver() -> None:
    """Log the lines that wait. Each keeps its time. The engine calls this on the thread that fetches a reply."""
    for level, text, created in _engine.take_logs():
        if _logger.isEnabledFor(level):
            record = _logger.makeRecord(_logger.name, level, "shared_session", 0, text, (), None)
            record.created = created
            record.msecs = created % 1 * 1000
            _logger.handle(record)
