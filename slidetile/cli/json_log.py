"""The log as JSON, one object a line, for programs that collect logs."""

import json
import logging
import sys
import time
from collections.abc import Sequence
from typing import Any

import click

_LOG_JSON = "slidetile.log_json"


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


def log_as_json(context: click.Context) -> None:
    """Let all that is logged and said for people from now on go to the standard error as JSON."""
    context.meta[_LOG_JSON] = True
    logging.getLogger("slidetile").handlers = [_JsonHandler()]


def promise_json_log(context: click.Context, arguments: Sequence[str]) -> None:
    """Record whether a command is asked to log as JSON, by what is typed."""
    asked = [each for each in arguments if each in ("--log-json", "--no-log-json")]
    context.meta[_LOG_JSON] = asked[-1:] == ["--log-json"]


def logs_json(context: click.Context | None = None) -> bool:
    """Return whether a command logs as JSON: that under way, where none is given."""
    context = context or click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_LOG_JSON))


def tell_event(event: str, facts: dict[str, Any]) -> None:
    """Write an event that is no log record, such as the result of a slide."""
    sys.stderr.write(f"{event_line(event, facts)}\n")


def event_line(event: str, facts: dict[str, Any]) -> str:
    """Return an event of now as a line."""
    return _line(event, facts, at_s=time.time())


def _line(event: str, facts: dict[str, Any], *, at_s: float) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s))
    when = f"{stamp}.{int(at_s * 1000) % 1000:03}Z"
    return json.dumps({"time": when, "event": event, **facts}, default=str)
