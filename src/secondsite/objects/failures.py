"""What a store's failure means, and what to do about it: by the store's own words, whatever its kind."""

from __future__ import annotations

from obstore import exceptions

from secondsite.model.errors import MachineError
from secondsite.objects.address import Scheme


class ObjectMissingError(MachineError):
    """There is no such object."""


class AccessError(MachineError):
    """The store knows us and refuses, or does not know us."""


class ObjectExistsError(MachineError):
    """A conditional write found the object there already."""


class ObjectTooLargeError(MachineError):
    """What should be a small object is none."""


_MISSING = (exceptions.NotFoundError, FileNotFoundError)
_EXISTS = (exceptions.AlreadyExistsError, FileExistsError, exceptions.PreconditionError)
_REFUSED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError)
_REFUSED_WORDS = ("403 Forbidden", "401 Unauthorized")
_NO_BUCKET_WORDS = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist", "container does not exist")
_NO_ACCOUNT_WORDS = ("Account must be specified",)

# Where each kind's credentials are looked for, in the words of its own tools.
_CREDENTIALS: dict[Scheme, str] = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role of the pod or machine",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login, or the pod's or machine's account",
    "az": "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or a SAS token, or the pod's identity",
    "file": "check the owner of the folder",
}
_BUCKETS: dict[Scheme, str] = {"s3": "bucket", "gs": "bucket", "az": "container", "file": "folder"}


def machine_error(error: exceptions.BaseError | OSError, scheme: Scheme, store: str, place: str) -> MachineError:
    """``store`` and ``place`` are URLs as people may see them, of the whole and of the object."""
    text = str(error)
    if any(word in text for word in _NO_BUCKET_WORDS):
        kind = _BUCKETS[scheme]
        return MachineError.at(store, f"no such {kind}", f"check its name, or create it: secondsite creates no {kind}s")
    if isinstance(error, _MISSING):
        return ObjectMissingError.at(place, "is not there", "check the URL, and whether it was deleted")
    if isinstance(error, _EXISTS):
        return ObjectExistsError.at(place, "exists already", "nothing was overwritten; run again")
    if isinstance(error, _REFUSED) or any(word in text for word in _REFUSED_WORDS):
        remedy = f"give credentials with permission to read, write, list and delete: {_CREDENTIALS[scheme]}"
        return AccessError.at(place, "access denied by the store", remedy)
    if any(word in text for word in _NO_ACCOUNT_WORDS):
        return AccessError.at(place, "no storage account is named", f"set {_CREDENTIALS[scheme]}")
    remedy = "check the bucket's name, region and endpoint, and the credentials"
    return MachineError.at(place, f"the store failed: {_first_line(text) or type(error).__name__}", remedy)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:300]
