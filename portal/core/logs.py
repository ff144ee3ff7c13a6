"""One log for every process: warnings and errors, on stderr, one format, without what opens an account."""

import logging
import logging.config
import re
import time
from typing import Any

# The signed tokens of one-time links, in paths and queries: whoever reads a log must not be able to use one.
TOKENS = re.compile(r"(?<=[/=])[A-Za-z0-9_.\-]{40,}")


class LogLine(logging.Formatter):
    """`2026-11-23T06:47:27Z WARNING portal.exports.jobs[4711]: message`, in UTC; tokens of links are masked, also in
    tracebacks."""

    @staticmethod
    def converter(seconds: float | None) -> time.struct_time:
        return time.gmtime(seconds)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        """One line for each message, whatever a request or a server put into it: nobody writes lines of his own."""
        record.message = "".join(letter if letter.isprintable() else " " for letter in record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return TOKENS.sub("***", super().format(record))


# paramiko logs a traceback for every refused log-in, which the export's attempt records in the server's words.
CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": LogLine}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True},
        "paramiko": {"level": "CRITICAL"},
        "rq": {"level": "WARNING"},
    },
}


def set_up() -> None:
    """Send this process's log to stderr; called once by every entry point."""
    logging.config.dictConfig(CONFIG)
