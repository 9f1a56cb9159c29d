"""What describes a system in a language that is not read: Terraform, Nomad, Pulumi and others.

A person has to be told, or what these files deploy is missing without a word. The first place that names NATS is told
with them, as the cluster may be there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from secondsite.model.wording import counted

MAX_READ_BYTES = 20_000_000
_ENDINGS = {
    ".tf": "Terraform files",
    ".nomad": "Nomad job files",
    ".hcl": "",
    ".jsonnet": "Jsonnet files",
    ".cue": "CUE files",
    ".bicep": "Bicep files",
    ".nix": "Nix files",
}
_PROJECTS = {"Pulumi.yaml": "Pulumi projects", "Pulumi.yml": "Pulumi projects", "cdk.json": "CDK projects"}
_JOB = re.compile(r'^\s*job\s+"', re.MULTILINE)
_TERRAGRUNT = re.compile(r"^terragrunt\b.*\.hcl$")
_NAMES_NATS = re.compile(r"\b(?:nats|jetstream)\b", re.IGNORECASE)
_LIVE = "`init --nats URL` reads the streams of a running server"
_REMEDIES = {"Nomad job files": _LIVE}
_REMEDY = f"`init --kube CONTEXT` reads what runs in a cluster, {_LIVE}"
# Of development environments more often than of what runs.
_ONLY_WITH_NATS = ("Nix files", "CUE files", "Jsonnet files")


def is_other_language(path: Path) -> bool:
    return path.suffix in _ENDINGS or path.name in _PROJECTS


def language_notes(paths: Sequence[Path], shown: Callable[[Path], str]) -> Iterator[str]:
    """One a language: how many files, and the first line of them that names NATS."""
    numbers: dict[str, int] = {}
    naming: dict[str, str] = {}
    left = MAX_READ_BYTES
    for path in paths:
        text = _text(path) if left > 0 else ""
        left -= len(text)
        language = _language(path, text)
        if not language:
            continue
        numbers[language] = numbers.get(language, 0) + 1
        named = _NAMES_NATS.search(text)
        if named and language not in naming:
            naming[language] = f"{shown(path)}:{text.count(chr(10), 0, named.start()) + 1}"
    for language, number in numbers.items():
        if language in _ONLY_WITH_NATS and language not in naming:
            continue
        where = f", and {naming[language]} names NATS" if language in naming else ""
        files = f"{counted(number, language)} {'is' if number == 1 else 'are'} not read"
        yield f"{files}{where}; {_REMEDIES.get(language, _REMEDY)}"


def _language(path: Path, text: str) -> str:
    if path.suffix != ".hcl":
        return _PROJECTS.get(path.name) or _ENDINGS[path.suffix]
    if _TERRAGRUNT.match(path.name):
        return "Terragrunt files"
    return "Nomad job files" if _JOB.search(text) else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
