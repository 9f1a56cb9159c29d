"""What ``--verbose`` shows: which files and servers a run asked, and when, on standard error.

Doors log what they do to loggers below ``secondsite``. No payload and no answer is logged, and every line loses what
looks like a secret on its way out.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from secondsite import __version__
from secondsite.model.redact import redacted

_LOGGERS = ("secondsite", "httpx", "httpx2")
"""The last two log method, URL and status of requests, and nothing else of them."""


class _Line(logging.Formatter):
    """Since when, by which part, and what."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()

    def format(self, record: logging.LogRecord) -> str:
        where = record.name.rpartition("secondsite.")[2].partition(".")[0]
        return f"{time.monotonic() - self._began:9.3f} s  {where}: {redacted(record.getMessage())}"


@contextmanager
def verbose_lines(*, verbose: bool) -> Iterator[None]:
    """Loggers are as they were afterwards: a process may run more than one verb."""
    if not verbose:
        yield
        return
    handler, loggers = logging.StreamHandler(sys.stderr), [logging.getLogger(name) for name in _LOGGERS]
    handler.setFormatter(_Line())
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if logger.name == "secondsite" else logging.INFO)
        logger.propagate = False
    python = ".".join(map(str, sys.version_info[:3]))
    logging.getLogger("secondsite.cli").debug("secondsite %s, Python %s, %s", __version__, python, sys.platform)
    try:
        yield
    finally:
        logging.getLogger("secondsite.cli").debug("end")
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
