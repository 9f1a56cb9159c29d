"""AWS profiles, single sign-on and roles of a profile, which only the provider's own package can read.

Keys in the environment, a pod's web identity and a machine's role need nothing of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from secondsite.extras import install
from secondsite.model.errors import InputError, MachineError

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider


def provider_of_profile(environment: Mapping[str, str]) -> Boto3CredentialProvider | None:
    """None where no profile says who we are. Raises InputError for one that is named and does not exist."""
    if environment.get("AWS_ACCESS_KEY_ID"):
        return None
    named = environment.get("AWS_PROFILE")
    shared = _file(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials")
    if not (named or shared.is_file() or _file(environment, "AWS_CONFIG_FILE", "config").is_file()):
        return None
    try:
        from botocore.exceptions import BotoCoreError, ProfileNotFound
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        if not (named or shared.is_file()):
            return None
        remedy = f"run: {install('aws')}, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise MachineError.at(str(shared), "boto3, which reads AWS profiles, is not installed", remedy) from None
    try:
        return Boto3CredentialProvider()
    except ProfileNotFound:
        remedy = "see aws configure list-profiles, or unset it"
        raise InputError.at("AWS_PROFILE", f"unknown profile {named}", remedy) from None
    except BotoCoreError as error:
        raise InputError.at(
            str(shared), f"gives no credentials ({type(error).__name__})", "run aws configure"
        ) from None
    except ValueError:  # there are files, and no credentials in them: a role of the pod or machine may be there
        return None


def _file(environment: Mapping[str, str], variable: str, name: str) -> Path:
    path = Path(environment.get(variable) or f"~/.aws/{name}")
    try:
        return path.expanduser()
    except RuntimeError:  # a user without a home and without a passwd entry, as in a container
        return path
