"""What a nats.conf says about a cluster, in the model's words, with a mark on every value.

Keys are matched as nats-server matches them: in any case, under all their spellings. Of credentials only the
path of a file is kept, and of URLs only the host: no password, token or seed can reach the result or an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Generic, TypeVar

from attrs import Factory, define, evolve, frozen

from secondsite.discover.nats_conf import Conf, Path, Unresolved
from secondsite.discover.nats_trust import trust_of
from secondsite.discover.system_file.schema import identity
from secondsite.model.errors import InputError, Problem
from secondsite.model.mark import NOT_SET, Knowledge, Mark, key_of
from secondsite.model.nats import GatewayLink, LeafLink, NatsCluster
from secondsite.model.place import Place
from secondsite.model.units import Bytes, Seconds, parse_seconds

T = TypeVar("T")

DEFAULT_SYNC_INTERVAL_S = Seconds(120)

_POWERS = {"K": 10, "M": 20, "G": 30, "T": 40}
_OPERATOR = ("operator", "operators", "trusted_keys")
_SWITCH = {"enabled": True, "enable": True, "disabled": False, "disable": False}
_ENCRYPTED = ("tls://", "wss://")
_HOST = re.compile(r"(?:[^/]*//)?(?:.*@)?(\[[^\]]*\]|[^:/?#]*)", re.DOTALL)
_ADDRESS = re.compile(r"[0-9.]+|\[.*\]")


def cluster_from_conf(
    conf: Conf, *, name: str, service: str, servers: int, version: str, problems: list[Problem] | None = None
) -> tuple[NatsCluster, dict[str, Mark]]:
    """The cluster that servers with this configuration form, and marks keyed from the cluster on.

    An empty ``name`` takes the configuration's own cluster name. What nats-server would refuse too is added to
    ``problems``, or raised as InputError where there is no such list; no server starts with it: JetStream is unknown.
    """
    root = _Block(conf, (), conf.values)
    cluster, gateway = root.block("cluster"), root.block("gateway")
    own = (cluster.text("name").value, gateway.text("name").value)
    jetstream = root.jetstream()
    store = root.block("jetstream")
    marks: dict[str, Mark] = {}
    declared = NatsCluster(
        name=name or own[0] or own[1] or service,
        service=service,
        servers=servers,
        version=version,
        jetstream=_keep(marks, "jetstream", jetstream),
        domain=_keep(marks, "domain", store.text("domain")),
        system_account=_keep(marks, "system_account", root.text("system_account", "system")),
        max_file_bytes=_keep(marks, "max_file", store.size("max_file_store", "max_file")),
        max_memory_bytes=_keep(marks, "max_memory", store.size("max_memory_store", "max_mem_store", "max_mem")),
        sync_interval_s=_keep(marks, "sync_interval", store.sync_interval()),
        route_tls=_keep(marks, "route_tls", cluster.given("tls")),
        route_authorization=_keep(marks, "route_authorization", _stated(cluster, "authorization")),
        gateway_authorization=_keep(marks, "gateway_authorization", _stated(gateway, "authorization")),
        self_route=_keep(marks, "self_route", cluster.given("routes")),
        reject_unknown_gateways=_keep(
            marks, "reject_unknown_gateways", gateway.flag("reject_unknown", "reject_unknown_cluster")
        ),
        gateways=tuple(_gateways(gateway, own, marks)),
        leaves=tuple(_leaves(root.block("leafnodes", "leaf"), marks)),
        accounts=_keep(marks, "accounts", root.accounts()),
        cluster_name=_keep(marks, "cluster_name", cluster.text("name") if cluster.values else gateway.text("name")),
        store_dir=_keep(marks, "store_dir", _store_dir(store, root)),
        operator=_keep(marks, "operator", root.given(*_OPERATOR)),
        client_authorization=_keep(marks, "client_authorization", _client_authorization(root)),
        trust=trust_of(root.values),
    )
    if declared.trust:
        marks["trust"] = root.given("resolver", *_OPERATOR).mark
    if root.problems and problems is None:
        raise InputError(root.problems)
    if root.problems and problems is not None:
        marks["jetstream"] = Mark(Knowledge.ASSUMED, root.problems[0].place, root.problems[0].what)
        problems += root.problems
    return declared, marks


def _stated(block: _Block, key: str) -> _Value[bool | None]:
    """Whether there is anything under the key; None where it may stand in what was not at hand."""
    given = block.given(key)
    return _Value(None if block.conf.missing and not given.value else given.value, given.mark)


def _client_authorization(root: _Block) -> _Value[bool | None]:
    """False where a client gets in with nothing, be it as the user that the server takes it for."""
    anybody = root.given("no_auth_user")
    if anybody.value:
        return _Value(False, anybody.mark)
    accounts = root.block("accounts")
    logins = [
        root.given(*_OPERATOR),
        root.block("tls").given("verify", "verify_and_map", "verify_cert_and_check_known_urls"),
    ]
    logins += [root.block("authorization").given(key) for key in ("user", "users", "token", "auth_callout", "password")]
    logins += [accounts.block(name.lower()).given("users", "nkeys") for name in accounts.values]
    known = next((login for login in logins if login.value), None)
    if known:
        return _Value(True, known.mark)
    return _Value(None if root.conf.missing else False, root.given("authorization").mark)


def _store_dir(store: _Block, root: _Block) -> _Value[str]:
    keys = ("store_dir", "storedir")
    return store.text(*keys) if store.find(*keys) else root.text(*keys)


@frozen
class _Value(Generic[T]):
    """A value and where it comes from."""

    value: T
    mark: Mark


def _keep(marks: dict[str, Mark], key: str, read: _Value[T]) -> T:
    marks[key] = read.mark
    return read.value


@define
class _Block:
    """A map of the configuration, read key by key; what is wrong is collected in ``problems``."""

    conf: Conf
    path: Path
    values: dict[str, object]
    problems: list[Problem] = Factory(list)
    refused: set[Path] = Factory(set)

    @property
    def place(self) -> Place:
        return self.conf.place(self.path)

    def find(self, *keys: str) -> tuple[Path, object] | None:
        """The value under any of these spellings."""
        for written, value in self.values.items():
            if written.lower() in keys:
                return (*self.path, written), value
        return None

    def block(self, *keys: str) -> _Block:
        """The map under a key; an empty one where there is none, standing where this one does."""
        value = self.find(*keys)
        if value and isinstance(value[1], dict):
            return _Block(self.conf, value[0], value[1], self.problems, self.refused)
        return _Block(self.conf, value[0] if value else self.path, {}, self.problems, self.refused)

    def blocks(self, *keys: str) -> Iterator[_Block]:
        """The maps in the array under a key."""
        value = self.find(*keys)
        items = value[1] if value and isinstance(value[1], list) else []
        for index, item in enumerate(items):
            if value and isinstance(item, dict):
                yield _Block(self.conf, (*value[0], index), item, self.problems, self.refused)

    def text(self, *keys: str) -> _Value[str]:
        return self._read(keys, str, "", "a name", self._absent().why or NOT_SET)

    def file(self, *keys: str) -> _Value[str]:
        """The path of a file; what may be the file's content is refused."""
        value = self.text(*keys)
        if "\n" in value.value or "--" in value.value or len(value.value) > 1024:
            self._refuse((*self.path, keys[0]), "the path of a file")
            return evolve(value, value="")
        return value

    def flag(self, *keys: str) -> _Value[bool]:
        return self._read(keys, bool, False, "true or false", "not set: the server's default is false")

    def given(self, *keys: str) -> _Value[bool]:
        """Whether there is anything under a key."""
        value = self.find(*keys)
        mark = self._read_mark(value[0]) if value else self._absent()
        return _Value(bool(value and value[1] not in (None, [], False)), mark)

    def subjects(self, *keys: str) -> _Value[tuple[str, ...]]:
        value = self.find(*keys)
        if value is None:
            return _Value((), self._read_mark(self.path))
        items = value[1] if isinstance(value[1], list) else [value[1]]
        unknown = next((item for item in items if isinstance(item, Unresolved)), None)
        if unknown is not None:
            return _Value((), self._unknown(value[0], unknown))
        if not all(isinstance(item, str) for item in items):
            self._refuse(value[0], "a subject or an array of subjects")
        return _Value(tuple(str(item) for item in items), self._read_mark(value[0]))

    def size(self, *keys: str) -> _Value[Bytes | None]:
        """In bytes; a string's K, M, G and T are binary, as the server has them; negative is no limit."""
        written = self.find(*keys)
        if written is None:
            return _Value(None, Mark(Knowledge.ASSUMED, self.place, "not set: the server takes what its host has free"))
        path, value = written
        if isinstance(value, Unresolved):
            return _Value(None, self._unknown(path, value))
        if isinstance(value, str) and value[-1:] in _POWERS and value[:-1].isdecimal() and len(value) < 20:
            value = int(value[:-1]) << _POWERS[value[-1]]
        if isinstance(value, bool) or not isinstance(value, int):
            self._refuse(path, "a size such as 10Gi, or a string such as '10G'")
            return _Value(None, self._read_mark(path))
        return _Value(Bytes(value) if value >= 0 else None, self._read_mark(path))

    def sync_interval(self) -> _Value[Seconds]:
        """In seconds; 0 for ``always``."""
        written = self.find("sync_interval", "sync")
        if written is None:
            why = self._absent().why or "not set: the server's default is 2m"
            return _Value(DEFAULT_SYNC_INTERVAL_S, Mark(Knowledge.ASSUMED, self.place, why))
        path, value = written
        if isinstance(value, Unresolved):
            return _Value(DEFAULT_SYNC_INTERVAL_S, self._unknown(path, value))
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return _Value(Seconds(value), self._read_mark(path))
        if isinstance(value, str) and value.lower() == "always":
            return _Value(Seconds(0), self._read_mark(path))
        try:
            return _Value(parse_seconds(value if isinstance(value, str) else ""), self._read_mark(path))
        except ValueError:
            self._refuse(path, "always or a duration such as 10s")
            return _Value(DEFAULT_SYNC_INTERVAL_S, self._read_mark(path))

    def jetstream(self) -> _Value[bool]:
        """JetStream is on when there is a block for it, unless that says otherwise."""
        written = self.find("jetstream")
        if written is None:
            return _Value(bool(self.conf.missing), self._absent())
        path, value = written
        if isinstance(value, dict):
            switch = self.block("jetstream").find("enabled", "enable")
            path, value = switch or (path, True)
        if isinstance(value, Unresolved):
            return _Value(True, self._unknown(path, value))
        known = _SWITCH.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(known, bool):
            self._refuse(path, "enabled, disabled, true, false or a block")
        return _Value(bool(known), self._read_mark(path))

    def accounts(self) -> _Value[tuple[str, ...]]:
        value = self.find("accounts")
        if value is None:
            return _Value((), self._absent())
        names = value[1] if isinstance(value[1], (dict, list)) else ()
        return _Value(tuple(name for name in names if isinstance(name, str)), self._read_mark(value[0]))

    def _read(self, keys: tuple[str, ...], kind: type[T], default: T, wanted: str, absent: str) -> _Value[T]:
        written = self.find(*keys)
        if written is None:
            return _Value(default, Mark(Knowledge.ASSUMED, self.place, absent))
        path, value = written
        if isinstance(value, Unresolved):
            return _Value(default, self._unknown(path, value))
        if isinstance(value, str) and "{{" in value:
            return _Value(default, Mark(Knowledge.ASSUMED, self.conf.place(path), f"{value[:60]} is a template"))
        if not isinstance(value, kind):
            self._refuse(path, wanted)
            return _Value(default, self._read_mark(path))
        return _Value(value, self._read_mark(path))

    def _absent(self) -> Mark:
        """Read as not set, unless a part of the configuration is not at hand."""
        if self.conf.missing:
            why = f"not set in the file that was read; {self.conf.missing[0]!r}, which it takes values from, was not"
            return Mark(Knowledge.ASSUMED, self.place, why)
        return self._read_mark(self.path)

    def _read_mark(self, path: Path) -> Mark:
        if path in self.refused:
            return Mark(Knowledge.ASSUMED, self.conf.place(path), f"{path[-1]} has a value that nats-server refuses")
        return Mark(Knowledge.READ, self.conf.place(path))

    def _unknown(self, path: Path, value: Unresolved) -> Mark:
        return Mark(Knowledge.ASSUMED, self.conf.place(path), f"set from ${value.name}, which is not known here")

    def _refuse(self, path: Path, wanted: str) -> None:
        what = f"{path[-1]} has a value that nats-server refuses"
        self.refused.add(path)
        self.problems.append(Problem(self.conf.place(path), what, f"write {wanted}"))


def _gateways(gateway: _Block, own: tuple[str, str], marks: dict[str, Mark]) -> Iterator[GatewayLink]:
    """All but the cluster's own entry, which the same file on every cluster usually has."""
    tls = gateway.given("tls")
    for entry in gateway.blocks("gateways"):
        name, entry_tls = entry.text("name"), entry.given("tls")
        if not name.value or name.value in own:
            continue
        link = GatewayLink(name.value, tls=entry_tls.value or tls.value)
        key = f"gateways.{identity(link)}"
        marks[key] = Mark(Knowledge.READ, entry.place)
        marks[f"{key}.tls"] = (entry_tls if entry_tls.value else tls).mark
        yield link


def _leaves(leafnodes: _Block, marks: dict[str, Mark]) -> Iterator[LeafLink]:
    """The remotes, each named after the first label of the host it dials."""
    for remote in leafnodes.blocks("remotes"):
        urls = list(_urls(remote))
        account, tls = remote.text("account", "local"), remote.given("tls")
        credentials = remote.file("credentials", "creds")
        imports, exports = (remote.subjects(f"deny_{way}s", f"deny_{way}") for way in ("import", "export"))
        link = LeafLink(
            cluster=host_label(urls[0]) if urls else "unknown",
            account=account.value,
            tls=tls.value or (bool(urls) and all(url.lower().startswith(_ENCRYPTED) for url in urls)),
            credentials=credentials.value,
            deny_imports=imports.value,
            deny_exports=exports.value,
        )
        key = _unused(link, marks)
        marks[f"leaves.{identity(key)}"] = Mark(Knowledge.READ, remote.place)
        for attribute, value in (
            ("account", account.mark),
            ("tls", tls.mark),
            ("credentials", credentials.mark),
            ("deny_imports", imports.mark),
            ("deny_exports", exports.mark),
        ):
            marks[f"leaves.{identity(key)}.{key_of(attribute)}"] = value
        yield key


def _unused(link: LeafLink, marks: dict[str, Mark]) -> LeafLink:
    """The link, renamed where another remote of this account dials a host of the same name."""
    number, candidate = 1, link
    while f"leaves.{identity(candidate)}" in marks:
        number += 1
        candidate = evolve(link, cluster=f"{link.cluster}-{number}")
    return candidate


def _urls(remote: _Block) -> Iterator[str]:
    listed = remote.find("urls", "url")
    values = listed[1] if listed and isinstance(listed[1], list) else [listed[1]] if listed else []
    yield from (value for value in values if isinstance(value, str))


def host_label(url: str) -> str:
    """``nats.hub.svc`` is called ``nats``; an address keeps its digits. Whatever is before an ``@`` is dropped."""
    match = _HOST.match(url)
    host = match[1] if match else ""
    label = re.sub(r"[^0-9A-Za-z]+", "-", host).strip("-") if _ADDRESS.fullmatch(host) else host.split(".")[0]
    return label or "unknown"
