"""Standard output and standard error, so that neither a reader nor a name can change how a run ends.

A pipe that was closed (``| head``) takes no more text and is no error: the verb goes on and its exit code stands. A
full disk is one. What an encoding has no letter for is escaped. Names are made printable on their way out, and error
messages lose what looks like a secret.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

from secondsite.model.errors import MachineError
from secondsite.model.printable import escaped, printable
from secondsite.model.redact import redacted

_ESCAPE = "secondsite-escape"


class PrintableStream:
    """What `print` writes to. Consoles of rich write behind it, as `PrintableConsole` has done the same by then."""

    def __init__(self, inner: TextIO, *, messages: bool) -> None:
        self._inner = inner
        self._messages = messages

    @property
    def rich_proxied_file(self) -> TextIO:
        """Where rich looks for the stream that takes its colours."""
        return self._inner

    def write(self, text: str) -> int:
        self._inner.write(printable(redacted(text) if self._messages else text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Output(io.FileIO):
    """A file descriptor that goes quiet when nobody reads it, and that says which stream is full."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._called = name

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self._be_quiet()
        except OSError as error:
            self._be_quiet()
            remedy = "free space there, or write it elsewhere"
            raise MachineError.at(self._called, f"could not be written: {error.strerror}", remedy) from None
        return len(data)

    def _be_quiet(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def open_streams() -> None:
    """Put both in place of what Python opened."""
    codecs.register_error(_ESCAPE, _escape)
    sys.stdout = _opened(sys.stdout, 1, "standard output", messages=False)
    sys.stderr = _opened(sys.stderr, 2, "standard error", messages=True)


def _opened(stream: TextIO | None, descriptor: int, name: str, *, messages: bool) -> TextIO:
    if stream is None:  # closed by whoever started us
        return cast(TextIO, io.StringIO())
    stream.flush()
    inner = io.TextIOWrapper(
        io.BufferedWriter(_Output(descriptor, name)),
        encoding=stream.encoding,
        errors=_ESCAPE,
        line_buffering=messages or stream.isatty(),
    )
    return cast(TextIO, PrintableStream(inner, messages=messages))


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return escaped(error.object[error.start : error.end]), error.end
