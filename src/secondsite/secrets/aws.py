"""AWS Secrets Manager in one region, by the credentials that boto3 finds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from secondsite.extras import install
from secondsite.model.errors import MachineError
from secondsite.secrets.entry import (
    WHOLE,
    SecretEntry,
    SecretsRefusedError,
    assembled,
    by_name,
    fields_of,
    printed,
    remotes,
)

_LIMIT_S = 5
_MISSING = frozenset({"ResourceNotFoundException", "InvalidRequestException"})
"""The second is the answer for one that is marked for deletion."""
_SILENT = frozenset({"InternalServiceError", "ServiceUnavailable", "ThrottlingException"})


@frozen
class AwsSecrets:
    """``endpoint`` replaces Amazon's own address; a replica of a secret has the name of its primary."""

    region: str
    endpoint: str = ""

    @property
    def shown(self) -> str:
        return f"AWS Secrets Manager in {self.region}"

    async def fingerprints(self, entries: Sequence[SecretEntry], key: bytes) -> Mapping[str, str]:
        """Raises SecretsRefusedError where we may not read, MachineError where nobody answers."""
        fields = await asyncio.to_thread(self._read_all, remotes(entries))
        return by_name((one, printed(one, assembled(one, fields), key)) for one in entries)

    def _read_all(self, names: Sequence[str]) -> Mapping[str, Mapping[str, Any] | None]:
        client = self._client()
        try:
            return {name: self._read(client, name) for name in names}
        finally:
            client.close()

    def _client(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError:
            what = "boto3 is not installed"
            raise MachineError.at(self.shown, what, f"run: {install('aws')}") from None
        logging.getLogger("botocore.parsers").setLevel(logging.INFO)  # it would log each answer, value and all
        config = Config(connect_timeout=_LIMIT_S, read_timeout=_LIMIT_S, retries={"total_max_attempts": 2})
        return boto3.client("secretsmanager", self.region, endpoint_url=self.endpoint or None, config=config)

    def _read(self, client: Any, name: str) -> Mapping[str, Any] | None:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            answer = client.get_secret_value(SecretId=name)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _MISSING:
                return None
            if code in _SILENT:
                raise MachineError.at(self.shown, f"answers {code} for {name}", "ask again") from None
            remedy = "grant secretsmanager:GetSecretValue on it, and kms:Decrypt on its key"
            raise SecretsRefusedError.at(self.shown, f"refuses {name} ({code})", remedy) from None
        except NoCredentialsError:
            what = "no credentials"
            raise SecretsRefusedError.at(self.shown, what, "set AWS_PROFILE, or log in") from None
        except BotoCoreError as error:
            what = f"does not answer ({type(error).__name__})"
            raise MachineError.at(self.shown, what, "check that it is reachable from here") from None
        binary = answer.get("SecretBinary")
        return {WHOLE: binary} if binary is not None else fields_of(str(answer.get("SecretString", "")))
