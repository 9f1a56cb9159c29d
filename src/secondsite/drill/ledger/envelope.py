"""Files of fixed records behind a header: a magic, a length, JSON padded with spaces, then the records.

The header is there whole or the file does not exist: it is written aside and renamed. It is padded so that the
records lie on multiples of 16 bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secondsite.model.errors import InputError, MachineError

_MAGIC = b"SSRECS01"
_PREFIX = len(_MAGIC) + 8


def packed(header: Mapping[str, object]) -> bytes:
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-(_PREFIX + len(text)) % 16)
    return _MAGIC + len(text).to_bytes(8, "little") + text


def write_new(path: Path, header: Mapping[str, object], body: bytes | memoryview = b"") -> None:
    """Whole or not at all, and on the disk when it returns; raises MachineError where the disk cannot hold it."""
    aside = path.with_name(path.name + ".new")
    try:
        with aside.open("wb") as file:
            file.write(packed(header))
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise disk_error(path, error) from None


def read_header(path: Path, *schemas: str) -> tuple[Mapping[str, Any], int]:
    """The header and where the records begin, in bytes; raises InputError."""
    try:
        with path.open("rb") as file:
            prefix = file.read(_PREFIX)
            length = int.from_bytes(prefix[len(_MAGIC) :], "little")
            text = file.read(length) if prefix.startswith(_MAGIC) and length < 1 << 24 else b""
        header = json.loads(text) if text else {}
    except OSError as error:
        raise InputError.at(str(path), f"cannot be read: {error.strerror}", "give a file that a drill wrote") from None
    except ValueError:
        header = {}
    if not isinstance(header, dict) or header.get("schema") not in schemas:
        raise InputError.at(str(path), f"not a file of {schemas[0]}", "give a file that a drill wrote")
    return header, _PREFIX + length


def split_header(raw: bytes) -> tuple[int, bytes]:
    """Where the records of a whole file begin, and the text of its header; nothing for what is no such file."""
    length = int.from_bytes(raw[len(_MAGIC) : _PREFIX], "little")
    if not raw.startswith(_MAGIC) or _PREFIX + length > len(raw):
        return 0, b""
    return _PREFIX + length, raw[_PREFIX : _PREFIX + length]


def disk_error(path: Path, error: OSError) -> MachineError:
    what = f"could not be written: {error.strerror or error}"
    return MachineError.at(str(path), what, "free space on that disk, or give a folder on another disk with --evidence")
