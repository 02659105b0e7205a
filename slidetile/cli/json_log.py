"""The log as JSON, one object a line, for programs that collect logs."""

import json
import logging
import sys
import time
from typing import Any


class JsonFormatter(logging.Formatter):
    """A log record as a JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        event: dict[str, Any] = {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            event["traceback"] = record.exc_text
        return _line("log", event, at_s=record.created)


class _JsonHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")


def log_as_json() -> None:
    """Let all that is logged from now on go to the standard error as JSON."""
    logging.getLogger("slidetile").handlers = [_JsonHandler()]


def tell_event(event: str, facts: dict[str, Any]) -> None:
    """Write an event that is no log record, such as the result of a slide."""
    sys.stderr.write(f"{_line(event, facts, at_s=time.time())}\n")


def _line(event: str, facts: dict[str, Any], *, at_s: float) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s))
    when = f"{stamp}.{int(at_s * 1000) % 1000:03}Z"
    return json.dumps({"time": when, "event": event, **facts}, default=str)
