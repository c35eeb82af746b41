"""How gunicorn runs the pages, and how they log: as the services in Rust do."""

import json
import logging
import os
from datetime import datetime, timezone

bind = "0.0.0.0:8080"
workers = 2
threads = 8
graceful_timeout = 15  # as long as nginx waits for a response
limit_request_field_size = 16384  # a line of nginx's, which can hold a cookie of 8 KB
worker_tmp_dir = "/dev/shm"  # the container can write nowhere else
control_socket_disable = True

LEVELS = {"off": 60, "error": 40, "warn": 30, "info": 20, "debug": 10, "trace": 10}


class JsonFormatter(logging.Formatter):
    """Writes one JSON object per line."""

    def format(self, record):
        time = datetime.fromtimestamp(record.created, timezone.utc).isoformat()
        level = {"WARNING": "WARN", "CRITICAL": "ERROR"}.get(record.levelname, record.levelname)
        line = {"timestamp": time, "level": level, "message": super().format(record), "target": record.name}
        return json.dumps(line, ensure_ascii=False)


def levels():
    """Return the levels in LOG_LEVEL by the names of their loggers. That of the others has an empty name."""
    parts = [part.rpartition("=") for part in os.environ.get("LOG_LEVEL", "info").lower().split(",")]
    return {"": LEVELS["info"]} | {name: LEVELS[level] for name, _, level in parts}


text = {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
logconfig_dict = {
    "formatters": {"line": {"()": JsonFormatter} if os.environ.get("LOG_FORMAT") == "json" else text},
    "handlers": {"stream": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"gunicorn.error": {"level": "NOTSET", "propagate": True}}
    | {name: {"level": level} for name, level in levels().items() if name},
    "root": {"level": levels()[""], "handlers": ["stream"]},
}
