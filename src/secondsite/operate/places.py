"""The places of `operate: places:` as what can be opened: a login of each region's own, its secrets read only now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import evolve

from secondsite.kube.cluster import ClusterPlace
from secondsite.kube.kubeconfig import context_of
from secondsite.model.access import NatsAccess
from secondsite.model.operate import Operate
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace, nats_place
from secondsite.operate.identity import Identity
from secondsite.operate.references import followed, path_of


def nats_places(operate: Operate | None, account: str, without_login: ConnectOptions) -> dict[str, NatsPlace]:
    """By region, of ``nats`` or ``system``. ``without_login`` is who we are where the file names no login.

    Raises InputError for a reference that leads nowhere.
    """
    accesses = {place.region: getattr(place, account) for place in (operate.places if operate else ())}
    return {
        region: nats_access(access, f"operate.places.{region}.{account}", without_login)
        for region, access in accesses.items()
        if access
    }


def nats_access(access: NatsAccess, place: str, without_login: ConnectOptions) -> NatsPlace:
    """Raises InputError for a reference that leads nowhere."""
    if access.context:
        return nats_place(None, _options(access, place, ConnectOptions()), context=access.context)
    named = access.user or access.token or access.creds or access.nkey
    return nats_place(access.url, _options(access, place, ConnectOptions() if named else without_login))


def _options(access: NatsAccess, place: str, options: ConnectOptions) -> ConnectOptions:
    def file(reference: str, name: str) -> Path | None:
        return path_of(reference, f"{place}.{name}") if reference else None

    def text(reference: str, name: str) -> str | None:
        return followed(reference, f"{place}.{name}") if reference else None

    return evolve(
        options,
        credentials=file(access.creds, "creds") or options.credentials,
        nkey=file(access.nkey, "nkey") or options.nkey,
        tls_ca=file(access.ca, "ca") or options.tls_ca,
        tls_cert=file(access.cert, "cert") or options.tls_cert,
        tls_key=file(access.key, "key") or options.tls_key,
        user=access.user or options.user,
        password=text(access.password, "password") or options.password,
        token=text(access.token, "token") or options.token,
    )


def cluster_places(operate: Operate | None) -> dict[str, ClusterPlace]:
    """By region. Raises InputError for a kubeconfig that cannot be read or a context that it does not have."""
    places: dict[str, ClusterPlace] = {}
    if operate is None:
        return places
    for place in operate.places:
        if place.kube:
            where = f"operate.places.{place.region}.kube.kubeconfig"
            file = path_of(place.kube.kubeconfig, where) if place.kube.kubeconfig else None
            config = context_of(place.kube.context, file)
            places[place.region] = ClusterPlace(
                config, f"context {place.kube.context}", operate.cluster_uid(place.region)
            )
    return places


def with_domains(known: Mapping[str, Identity], operate: Operate | None) -> dict[str, Identity]:
    """What the file says of a domain goes before what the deployment would call it."""
    written = {place.region: place.nats.domain for place in (operate.places if operate else ()) if place.nats}
    return {
        region: evolve(one, domains=frozenset({written[region]})) if written.get(region) else one
        for region, one in known.items()
    }
