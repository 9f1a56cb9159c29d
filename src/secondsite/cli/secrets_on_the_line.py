"""No secret on the command line: whoever lists processes reads it, and so do shells' histories and printed manifests.

Every argument of every verb is looked at before the verb is, so that no verb can forget to, and no error repeats what
it was given. What is refused is told the way in which that place takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from secondsite.model.errors import InputError

_LOGIN = "set NATS_USER and NATS_PASSWORD, NATS_TOKEN or NATS_CREDS"
_REGION = "name a context of the nats command that holds it: {option} {region}context:NAME"
_STORE = (
    "give credentials as the provider's own tools take them: environment, profile or workload identity; "
    "an endpoint is http://host:port"
)
_FILE = "give a file that holds it, or set the environment variable for this option (see --help)"
_POSTGRES = (
    "give env:NAME, file:PATH or service:NAME, or a connection string without the password, which PGPASSFILE or "
    "PGPASSWORD has"
)
_REDIS = "give env:NAME or file:PATH"
_SERVERS = ("--nats", "--system")
_REMEDIES: Mapping[tuple[str, str], str] = {
    ("init", "--nats"): "give --creds FILE, or --user NAME with the password in NATS_PASSWORD",
    ("failover", "--nats"): _REGION,
    ("failover", "--system"): _REGION,
    ("failback", "--nats"): _REGION,
    ("failback", "--system"): _REGION,
    ("repair", "--nats"): _REGION,
    ("repair", "--system"): _REGION,
    ("postgres", ""): _POSTGRES,
    ("postgres", "--live"): _POSTGRES,
    ("redis", ""): _REDIS,
    ("gate", "--system"): "set NATS_SYSTEM_USER and NATS_SYSTEM_PASSWORD",
    ("backup cronjob", "--nats"): "put NATS_USER and NATS_PASSWORD into a secret and name it with --environment-secret",
    (
        "archive deployment",
        "--nats",
    ): "put NATS_USER and NATS_PASSWORD into a secret and name it with --environment-secret",
}
_BY_OPTION: Mapping[str, str] = {
    "--nats": f"{_LOGIN}; or name a context with --context",
    "--system": f"{_LOGIN}; or name a context",
    "--monitor": "reach the monitoring port through a port-forward, without a login",
    "--postgres": _POSTGRES,
    "--redis": _REDIS,
    "--store": "give REGION/STORE=env:NAME or =file:PATH, for PostgreSQL also =service:NAME",
    "--recipient": "give the public key, which begins with age1 (age-keygen -y FILE shows it)",
    "--to": _STORE,
    "--from": _STORE,
    "--endpoint": _STORE,
    "--path-url": "write headers with env:NAME or file:PATH under `operate: path:` in secondsite.yaml",
    "--command": "let the command read it from a file or an environment variable",
    "--password": _LOGIN,
    "--token": _LOGIN,
}
_NAMES_A_SECRET = ("--password", "--token", "--secret", "--passphrase")
_SHAPES = re.compile(
    r"""(?x) AGE-SECRET-KEY-1 | -----BEGIN\ [A-Z ]*(?:PRIVATE\ KEY|SEED|JWT) | \bS[UAONCX][A-Z2-7]{56}\b
    | \beyJ[\w-]{8,}\.[\w-]+\.[\w-]+
    | [A-Za-z][\w+.-]*:// (?: [^\s/?\#@:]* : (?!\d{1,5}/) [^\s@]* | [^\s/?\#@:]+ ) @"""
)


def refuse_secrets(arguments: Sequence[str]) -> None:
    """Raises InputError, without the value, for an argument that holds a login or looks like a key."""
    verb = _verb(arguments)
    for option, value in _options(arguments):
        if option in _NAMES_A_SECRET or _SHAPES.search(value) or (option in _SERVERS and "@" in value):
            what = "secrets are not accepted on the command line: no password, token or key"
            raise InputError.at(option or "command line", what, _remedy(verb, option, value))


def _verb(arguments: Sequence[str]) -> str:
    words: list[str] = []
    for argument in arguments[:2]:
        if not re.fullmatch(r"[a-z]+", argument):
            break
        words.append(argument)
    return " ".join(words)


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each option with its value; an argument without one has an empty option."""
    option = ""
    for argument in arguments:
        if re.match(r"--[a-z]", argument):
            option, _, value = argument.partition("=")
            yield option, value
        else:
            yield option, argument
            option = option if argument.startswith("-") else ""


def _remedy(verb: str, option: str, value: str) -> str:
    remedy = _REMEDIES.get((verb, option)) or _REMEDIES.get((verb.partition(" ")[0], option)) or _BY_OPTION.get(option)
    region = re.match(r"[\w.-]+=", value)
    return (remedy or _FILE).format(option=option, region=region[0] if region else "REGION=")
