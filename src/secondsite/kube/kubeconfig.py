"""A context of a kubeconfig, by name, as kubectl finds it: the file that was named, else those of KUBECONFIG."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from secondsite.extras import install
from secondsite.model.errors import InputError, MachineError

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import KubeConfig, SingleConfig

_USUAL = Path("~/.kube/config")


def context_of(name: str, kubeconfig: Path | None) -> SingleConfig:
    """Raises `InputError` for a file that cannot be read or a context that none has."""
    files = [kubeconfig] if kubeconfig else _default_files()
    known: list[str] = []
    for file in files:
        config = _read(file.expanduser())
        if name in config.contexts:
            try:
                return config.get(name)  # type: ignore[return-value] # None only where a default was given
            except KeyError as error:
                what = f"context {name} names {error}, which the file does not have"
                raise InputError.at(str(file), what, "fix the context") from None
        known += config.contexts
    what = f"has no context {name}"
    remedy = f"name one of: {', '.join(sorted(known))}" if known else "give a kubeconfig with --kubeconfig"
    raise InputError.at(os.pathsep.join(str(file) for file in files), what, remedy)


def service_account() -> SingleConfig:
    """Of the pod that this runs in; raises InputError elsewhere."""
    from lightkube.config.kubeconfig import KubeConfig
    from lightkube.core.exceptions import ConfigError

    try:
        return KubeConfig.from_service_account().get()  # type: ignore[return-value] # None only where one was given
    except (ConfigError, OSError):
        what = "there is no service account here"
        raise InputError.at("--in-cluster", what, "run it in a pod, or leave the option out") from None


def _default_files() -> list[Path]:
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    there = [file for file in named if file.exists()]  # kubectl passes over those that are not there
    return there or named[:1] or [_USUAL]


def _read(file: Path) -> KubeConfig:
    try:
        from lightkube.config.kubeconfig import KubeConfig
        from lightkube.core.exceptions import ConfigError
    except ImportError:
        what = "the Kubernetes client is not installed"
        raise MachineError.at("--kube", what, f"run: {install('kube')}") from None
    try:
        return KubeConfig.from_file(file)
    except ConfigError:
        raise InputError.at(str(file), "is not there", "give a kubeconfig with --kubeconfig") from None
    except Exception as error:  # a file of any shape, read by a library that checks little
        what = f"not a kubeconfig: {type(error).__name__}"
        raise InputError.at(str(file), what, "give a kubeconfig with --kubeconfig") from None
