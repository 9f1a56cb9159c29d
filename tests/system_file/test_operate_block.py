"""The block `operate:`: it is read, written, merged and described like the rest, and it holds references only."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
from attrs import evolve
from ruamel.yaml import YAML

from secondsite.discover.system_file.json_schema import system_schema
from secondsite.discover.system_file.merging import merge
from secondsite.discover.system_file.reading import read_system
from secondsite.discover.system_file.writing import write_system
from secondsite.model.errors import InputError
from secondsite.nats.options import ConnectOptions
from secondsite.operate.places import nats_places

HEAD = "schema: secondsite/system/1\nname: shop\nregion: {provider: aws, name: us-east-1}\n"
WHOLE = """\
operate:
  deployed: warm-standby/leafnode-mirror
  environment: staging
  places:
    - region: us-east-1
      nats: {context: us-east-1, domain: us-east-1}
      system: {url: nats://nats-0:4222, user: sys, password: env:DR_SYS, ca: file:/etc/ca.pem}
      kube: {kubeconfig: file:~/.kube/dr, context: us-east-1, cluster: 4f9c3a1e}
      address: {service: kgents-gateway/kong}
      stores:
        - {store: postgres, login: env:DR_PG_EAST}
    - {region: us-west-2, nats: {context: us-west-2}}
  dns: {provider: rfc2136, zone: example.io, server: ns.example.io, key: file:/etc/tsig, resolvers: [1.1.1.1]}
  secrets: {reference: kube, refresh: external-secrets}
  journal: {region: us-west-2}
  watch:
    observers: [{name: east, region: us-east-1}, {name: west, region: us-west-2}, {name: office, at: https://o}]
    quorum: 2
    window: 20s
    decide: [region]
    ask: [gray]
    approvers: file:/etc/approvers
    block: 4h
    notify: [env:SLACK_URL]
"""


def problem(lines: str) -> str:
    with pytest.raises(InputError) as caught:
        read_system(f"{HEAD}operate:\n{lines}\n", "s.yaml")
    return str(caught.value)


def test_it_is_read_and_written_and_read_to_the_same() -> None:
    system = read_system(HEAD + WHOLE, "s.yaml")
    assert system.operate is not None
    assert system.operate.places[0].stores[0].login == "env:DR_PG_EAST"
    assert system.operate.cluster_uid("us-east-1") == "4f9c3a1e"
    assert system.operate.store_logins == {"us-east-1/postgres": "env:DR_PG_EAST"}
    assert read_system(write_system(system), "s.yaml").operate == system.operate
    jsonschema.validate(YAML(typ="safe").load(HEAD + WHOLE), system_schema())


def test_it_stays_when_the_system_is_discovered_again() -> None:
    yours = read_system(HEAD + WHOLE, "s.yaml")
    found = evolve(read_system(HEAD, "s.yaml"), marks={})
    assert merge(found, yours, found).system.operate == yours.operate


PLACE = "  places:\n    - region: a\n      "
REFUSED = {
    "password": (PLACE + "nats: {url: nats://h, user: u, password: hunter22}", "7:48: is no reference; name where it"),
    "login in a url": (PLACE + "nats: {url: 'nats://u:p@h'}", "looks like a secret"),
    "token in a url": (PLACE + "nats: {url: nats://t0ken@h}", "holds a login"),
    "creds in the open": (PLACE + "nats: {url: nats://h, creds: SUAMK}", "name where it is: file:PATH"),
    "password of a store": (PLACE + "stores: [{store: pg, login: 'postgresql://u:p@h/d'}]", "looks like a secret"),
    "password in words": (PLACE + "stores: [{store: pg, login: 'host=h password=x1'}]", "looks like a secret"),
    "kubeconfig by name": (PLACE + "kube: {kubeconfig: ~/.kube/config}", "env:NAME or file:PATH"),
    "key of the zone": ("  dns: {provider: route53, zone: Z1, key: 'AbCd=='}", "is no reference"),
    "webhook": ("  watch: {notify: ['https://hooks/T0/B0']}", "name where it is: env:NAME or file:PATH"),
    "context and url": (PLACE + "nats: {context: c, url: nats://h}", "not one of context and url"),
    "neither": (PLACE + "nats: {domain: d}", "not one of context and url"),
    "no service": (PLACE + "kube: {context: c}\n      address: {service: kong}", "write NAMESPACE/NAME"),
    "no cluster to ask": (PLACE + "address: {service: a/kong}", "say how its cluster is reached"),
    "twice": ("  places: [{region: a}, {region: a}]", "stands twice in `places`"),
    "said twice": (
        "  clusters: [{region: a, uid: u}]\n" + PLACE + "kube: {context: c, cluster: u}",
        "`clusters` says it of a already",
    ),
    "no strategy": ("  deployed: warm", "is not a strategy"),
    "no fault": ("  watch: {decide: [regoin]}", "did you mean 'region'"),
    "no failover": ("  watch: {decide: [node]}", "there is no failover for node"),
    "no majority": ("  watch: {observers: [{name: x}, {name: y}], quorum: 1}", "write 2"),
    "nowhere to update": ("  dns: {provider: rfc2136, zone: a.io}", "write `server`"),
    "no webserver": (
        "  dns: {provider: powerdns, zone: a.io, server: ns1, key: env:K}",
        "the URL of PowerDNS's webserver",
    ),
    "no token": ("  dns: {provider: cloudflare, zone: z1}", "write `key: env:NAME` or `file:PATH`"),
    "no project": ("  dns: {provider: google, zone: z1}", "write PROJECT/ZONE"),
    "another switch": (
        "  deployed: warm-standby/leafnode-mirror\n  dns: {provider: route53, zone: Z1, switch: failover-records}",
        "is not how warm-standby/leafnode-mirror moves clients; write record",
    ),
    "no context": (PLACE + "kube: {cluster: u}", "no context leads to the cluster of a"),
    "journal nowhere": ("  journal: {region: b}", "name one under `places`"),
}


@pytest.mark.parametrize(("lines", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_told_with_its_place(lines: str, told: str) -> None:
    text = problem(lines)
    assert text.startswith("s.yaml:")
    assert told in text
    assert not any(secret in text for secret in ("hunter22", "t0ken", "SUAMK", "AbCd", "u:p@"))


def test_each_place_has_a_login_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_USER", "everybody")
    monkeypatch.setenv("DR_EAST", "of-east")
    (tmp_path / "west").write_text("of-west\n")
    places = (
        "  places:\n    - {region: a, nats: {url: nats://a, user: east, password: env:DR_EAST}}\n"
        f"    - {{region: b, nats: {{url: nats://b, user: west, password: file:{tmp_path}/west}}}}\n"
        "    - {region: c, nats: {url: nats://c}}"
    )
    operate = read_system(f"{HEAD}operate:\n{places}\n", "s.yaml").operate
    without_login = ConnectOptions(user="everybody")
    found = nats_places(operate, "nats", without_login)
    logins = [(place.options.user, place.options.password) for place in found.values()]
    assert logins == [("east", "of-east"), ("west", "of-west"), ("everybody", None)]
    monkeypatch.delenv("DR_EAST")
    with pytest.raises(InputError, match=r"operate.places.a.nats.password: env:DR_EAST is not set"):
        nats_places(operate, "nats", without_login)


_PAGES = ("operate", "kube", "dns", "game-day")


def test_what_the_page_shows_is_read(tmp_path: Path) -> None:
    """Every block of these pages, as somebody would paste it; places that they leave out are there already."""
    pages = [(Path(__file__).parents[2] / "docs" / f"{name}.md").read_text("utf-8") for name in _PAGES]
    found = [re.findall(r"```yaml\n(operate:.*?)```", text, re.DOTALL) for text in pages]
    assert all(found)
    blocks = [block for several in found for block in several]
    assert len(blocks) >= 9
    for block in blocks:
        bare = block.replace("\n  journal: {region: us-west-2}", "\n  journal: {}") if "places:" not in block else block
        bare = bare.replace("{service: kgents-gateway/kong}}", "{at: kong.example.com}}")
        assert read_system(HEAD + bare, "docs/operate.md").operate is not None
