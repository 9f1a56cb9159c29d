"""Each kind of error: where it stands, what is wrong, what to write instead; all of them in one run."""

from __future__ import annotations

from pathlib import Path

import pytest
from file_schema import faults

from secondsite.discover.system_file.reading import MAX_BYTES, load_system, read_system
from secondsite.model.errors import InputError, Problem

HEAD = "schema: secondsite/system/1\nname: shop\nregion: {provider: aws, name: us-east-1}\n"


def problems(text: str) -> list[Problem]:
    with pytest.raises(InputError) as caught:
        read_system(text, "s.yaml")
    return list(caught.value.problems)


def service(line: str) -> str:
    return f"{HEAD}services:\n  - name: api\n    {line}\n"


def stream(line: str) -> str:
    return f"{HEAD}nats:\n  - name: nats\n    streams:\n      - name: A\n        {line}\n"


CASES = {
    "unknown key": (service("replica: 2"), "6:5", "'replica' is not a key", "did you mean 'replicas'"),
    "unknown key without a near one": (f"{HEAD}zzz: 2\n", "4:1", "'zzz' is not a key", "known here: name, region"),
    "text for a number": (service("replicas: two"), "6:15", "'two' is not a whole number", "such as 3"),
    "number for text": (service("image: 5"), "6:12", "5 is not text", 'write "5"'),
    "text for a truth": (service("network_policy: yes"), "6:21", "'yes' is neither true nor false", "true or false"),
    "truth for a number": (service("replicas: true"), "6:15", "true is not a whole number", "whole number"),
    "list for a mapping": (service("probes: [a]"), "6:5", "a list is not a mapping", "startup"),
    "mapping for a list": (f"{HEAD}services: {{a: 1}}\n", "4:1", "a mapping is not a list", "one item a line"),
    "unknown unit": (service("memory_limit: 512Mb"), "6:19", "'512Mb' is not a size", "512Mi"),
    "duration without unit": (f"{HEAD}traffic:\n  ttl: 60\n", "5:8", "60 is not a duration", "90s"),
    "wrong cores": (service("cpu_limit: 1Ki"), "6:16", "'1Ki' is not a number of cores", "250m"),
    "negative number": (service("replicas: -1"), "6:15", "-1 is negative", "0 or more"),
    "negative quantity": (service("memory_limit: -5Mi"), "6:19", "'-5Mi' is negative", "512Mi"),
    "infinite": (f"{HEAD}load:\n  mean_per_s: .inf\n", "5:15", "not a finite number", "finite"),
    "zero servers": (f"{HEAD}nats:\n  - name: n\n    servers: 0\n", "6:14", "0 is not 1 or more", "1 or more"),
    "six replicas": (stream("replicas: 6"), "8:19", "6 is not between 1 and 5", "between 1 and 5"),
    "negative autoscaling": (
        service("autoscale: {min_replicas: -1, max_replicas: 2}"),
        "6:31",
        "-1 is negative",
        "0 or more",
    ),
    "autoscaling upside down": (
        service("autoscale: {min_replicas: 3, max_replicas: 2}"),
        "6:31",
        "more than max_replicas 2",
        "correct",
    ),
    "probability": (
        f"{HEAD}contracts:\n  - {{subject: api, fault: region, rto: 5m, confidence: 90}}\n",
        "5:56",
        "a confidence of 90 is not between 0 and 1",
        "such as 0.9",
    ),
    "empty contract": (f"{HEAD}contracts:\n  - {{subject: api, fault: zone}}\n", "5:5", "promises nothing", "`rto`"),
    "shares": (f"{HEAD}users:\n  - {{region: eu, share: 0.5}}\n", "4:1", "sum to 0.5", "sum to 1"),
    "duplicate name": (f"{HEAD}services:\n  - name: a\n  - name: a\n", "6:11", "'a' stands twice", "own name"),
    "dangling dependency": (service("depends_on: [ap]"), "6:18", "'ap' is not a service", "did you mean 'api'"),
    "dangling service": (
        f"{HEAD}stores:\n  - name: s\n    service: pg\n    engine: pg\n",
        "6:14",
        "'pg' is not a service",
        "under `services`",
    ),
    "dangling cover": (
        f"{HEAD}backups:\n  - {{name: b, covers: [x], content: data, where: same-region, interval: 1d}}\n",
        "5:24",
        "'x' is not a service",
        "under `services`",
    ),
    "dangling mirror": (stream("mirror: {stream: B}"), "8:26", "'B' is not a stream", "`domain`"),
    "mirror of itself": (stream("mirror: {stream: A}"), "8:26", "'A' copies itself", "another stream"),
    "mirror and sources": (
        stream("mirror: {stream: B, domain: d}\n        sources: [{stream: C, domain: d}]"),
        "8:9",
        "'A' has a mirror and sources",
        "keep one",
    ),
    "not a stream name": (
        f'{HEAD}nats:\n  - name: nats\n    streams:\n      - name: "A.B"\n',
        "7:15",
        "'A.B' is not a stream name",
        "leave out",
    ),
    "no system name": (HEAD.replace("shop", '" "'), "2:7", "the system has no name", "`name: shop`"),
    "empty name": (f'{HEAD}services:\n  - name: ""\n', "5:11", "is empty", "write a name"),
    "three of a name": (
        f"{HEAD}secrets:\n  - {{name: a}}\n  - {{name: b}}\n  - {{name: a}}\n",
        "7:12",
        "'a' stands twice in `secrets`",
        "own name",
    ),
    "dangling route": (
        f"{HEAD}gateways:\n  - {{name: g, routes_to: [x]}}\n",
        "5:27",
        "'x' is not a service",
        "under `services`",
    ),
    "peak below the mean": (
        f"{HEAD}load:\n  mean_per_s: 40\n  peak_per_s: 39.5\n",
        "6:15",
        "the peak of 39.5/s is below the mean",
        "write 40 or more",
    ),
    "region twice": (f"{HEAD}second: {{provider: aws, name: us-east-1}}\n", "4:31", "same region as `region`", "name"),
    "third without second": (f"{HEAD}third: {{provider: aws, name: b}}\n", "4:1", "without a second", "`second`"),
    "waiver without reason": (f'{HEAD}waivers:\n  - rule: R1\n    reason: ""\n', "6:13", "has no reason", "why"),
    "missing key": (f"{HEAD}waivers:\n  - rule: R1\n", "5:5", "'reason' is missing", "`reason: ...`"),
    "unknown choice": (service("role: ap"), "6:11", "'ap' is not known here", "did you mean 'api'? write one of api,"),
    "cycle": (
        f"{HEAD}services:\n  - {{name: a, depends_on: [b]}}\n  - {{name: b, depends_on: [a]}}\n",
        "6:28",
        "a -> b -> a",
        "start without the other",
    ),
    "depends on itself": (service("depends_on: [api]"), "6:18", "depends on itself", "remove"),
    "schema version": (HEAD.replace("system/1", "system/9"), "1:9", "'secondsite/system/9' is not one", "system/1"),
    "no schema": ("name: a\nregion: {provider: aws, name: b}\n", "1:1", "'schema' is missing", "begin with"),
    "duplicate key": (service("replicas: 2\n    replicas: 3"), "7:5", "'replicas' is written twice", "keep one"),
    "broken YAML": (service("replicas: [2"), "7:1", "not YAML", "correct"),
    "list at the top": ("- a\n- b\n", "1:1", "holds a list", "begin with"),
    "text at the top": ("hello\n", "1:1", "a single value", "begin with"),
    "two documents": (f"{HEAD}---\na: 1\n", "5:1", "a second document", "one file"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_error_names_place_cause_and_remedy(case: str) -> None:
    text, where, what, remedy = CASES[case]
    found = problems(text)
    assert [str(problem.place) for problem in found] == [f"s.yaml:{where}"], found
    assert what in found[0].what
    assert remedy in found[0].remedy


OF_SHAPE = (
    *("unknown key", "unknown key without a near one", "text for a number", "number for text", "text for a truth"),
    *("truth for a number", "list for a mapping", "mapping for a list", "duration without unit", "missing key"),
    *("unknown choice", "schema version", "no schema", "list at the top", "text at the top", "negative quantity"),
)


@pytest.mark.parametrize("case", OF_SHAPE)
def test_what_is_of_a_wrong_shape_is_refused_by_the_json_schema_too(case: str) -> None:
    assert faults(CASES[case][0])


def test_all_errors_are_told_at_once_in_the_order_of_the_file() -> None:
    text = service("replicas: two\n    role: ap\n    depends_on: [x]\n    memory_limit: 5Q\n    nonsense: 1")
    assert [problem.place.line for problem in problems(text)] == [6, 7, 8, 9, 10]


def test_an_empty_text_is_refused() -> None:
    for text in ("", "# only a comment\n", "---\n"):
        assert "is empty" in problems(text)[0].what


def test_a_bomb_of_aliases_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "aliases" in problems("\n".join(lines))[0].what


def test_files_that_are_none(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(50_000_000)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\x7fELF\0\0\1")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: caf\xe9\n")
    cases = {huge: f"at most {MAX_BYTES:,}", binary: "binary", latin: "UTF-8", tmp_path: "a folder"}
    for path, what in {**cases, tmp_path / "none.yaml": "no such file"}.items():
        with pytest.raises(InputError, match=what):
            load_system(path)
