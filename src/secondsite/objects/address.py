"""Where objects are kept, as people write it: ``s3://bucket/prefix``, ``gs://…``, ``az://…``, ``file:///folder``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from attrs import frozen

from secondsite.model.errors import InputError

Scheme = Literal["s3", "gs", "az", "file"]

_REMEDY = "write file:///folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"


@frozen
class StoreAddress:
    """``container`` is the bucket, the Azure container or the folder; ``prefix`` has no slash at either end."""

    scheme: Scheme
    container: str
    prefix: str = ""
    endpoint: str | None = None

    def __str__(self) -> str:
        if self.scheme == "file":
            return f"file://{self.container}"
        return f"{self.scheme}://{self.container}" + (f"/{self.prefix}" if self.prefix else "")


def parse_store(text: str, endpoint: str | None = None, option: str = "--to") -> StoreAddress:
    """Raises InputError for what is not the URL of an object store, or carries a secret."""
    parts = urlsplit(text)
    if parts.username or parts.password or parts.query or parts.fragment:
        remedy = "give credentials as the provider's own tools take them: environment, profile or workload identity"
        raise InputError.at(option, "the URL of a store has a bucket and a prefix, nothing else", remedy)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        if endpoint:
            raise InputError.at("--endpoint", "a folder has no endpoint", "leave it out")
        return StoreAddress("file", str(Path(unquote(parts.path))))
    if parts.scheme in ("s3", "gs", "az") and parts.netloc:
        scheme: Scheme = "s3" if parts.scheme == "s3" else "gs" if parts.scheme == "gs" else "az"
        return StoreAddress(scheme, parts.netloc, parts.path.strip("/"), _endpoint(endpoint))
    raise InputError.at(option, f"{text!r} is not the URL of an object store", _REMEDY)


def _endpoint(text: str | None) -> str | None:
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.username:
        raise InputError.at(
            "--endpoint", f"{text!r} is not the URL of a server", "write http://host:port or https://host"
        )
    return text.rstrip("/")
