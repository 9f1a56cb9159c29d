"""Services of others that workloads call: found, kept in the file, judged with it, and no part of what was drilled."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from secondsite.discover.manifests import discover
from secondsite.discover.system_file.merging import merge
from secondsite.discover.system_file.reading import read_system
from secondsite.discover.system_file.writing import write_system
from secondsite.model.errors import InputError
from secondsite.model.external_service import ExternalService
from secondsite.model.system import System

WORKLOAD = """---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec:
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - {{name: a, image: "example.org/{name}:1", env: [{env}]}}
"""
INGRESS = """---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: way-in, namespace: shop}
spec: {rules: [{host: shop.example.com, http: {paths: [{backend: {service: {name: desk}}}]}}]}
---
apiVersion: v1
kind: Service
metadata: {name: desk, namespace: shop}
spec: {selector: {app: desk}}
"""


def _shop(folder: Path) -> System:
    pay, own = '{name: PAY, value: "https://api.stripe.com/v1"}', '{name: SELF, value: "https://shop.example.com"}'
    tax = '{name: TAX, value: "https://tax.example.net"}'
    store = '{name: DB, value: "postgres://shop.abc123.us-east-1.rds.amazonaws.com:5432/shop"}'
    desk = WORKLOAD.format(name="desk", env=f"{pay}, {own}, {store}")
    (folder / "shop.yaml").write_text(desk + WORKLOAD.format(name="till", env=f"{tax}, {pay}") + INGRESS)
    return discover([folder], base=folder).system


def test_each_host_is_kept_once_with_all_who_call_it(tmp_path: Path) -> None:
    system = _shop(tmp_path)
    assert system.external_services == (
        ExternalService("api.stripe.com", "payments", ("desk", "till")),
        ExternalService("tax.example.net", "", ("till",)),
    ), "the system's own name and a provider's database are none"
    assert str(system.place("external_services.api.stripe.com")).startswith("shop.yaml:10")


def test_what_a_person_says_of_it_outlives_the_next_discovery(tmp_path: Path) -> None:
    theirs = read_system(write_system(_shop(tmp_path)), "secondsite.yaml")
    stripe, tax = theirs.external_services
    answered = evolve(stripe, allow_list=False, webhooks=True, fallback="orders wait for payment")
    yours = read_system(write_system(evolve(theirs, external_services=(answered, tax))), "secondsite.yaml")
    merged = merge(theirs, yours, theirs).system
    assert merged.external_services == (answered, tax)
    assert "allow_list: false" in write_system(merged)


def test_a_caller_that_does_not_exist_and_a_host_twice_are_named() -> None:
    head = "schema: secondsite/system/1\nname: shop\nregion: {provider: aws, name: us-east-1}\n"
    with pytest.raises(InputError) as caught:
        read_system(
            f"{head}services:\n  - name: desk\nexternal_services:\n"
            "  - {host: a.example.com, called_by: [dekc]}\n  - {host: a.example.com}\n",
            "secondsite.yaml",
        )
    told = str(caught.value)
    assert "did you mean 'desk'?" in told
    assert "'a.example.com' stands twice" in told
