"""A large tree is read in seconds, and a hostile one ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from manifest_tree import write
from work import calls

from secondsite.discover import files
from secondsite.discover.manifests import discover
from secondsite.model.errors import InputError

EXAMPLE = Path(__file__).parents[2] / "examples/kgents/manifests"
STREAM = """apiVersion: jetstream.nats.io/v1beta2
kind: Stream
metadata: {{name: stream-{0}}}
spec:
  name: STREAM_{0}
  subjects: ["s{0}.>"]
  storage: file
  replicas: 3
  maxAge: 24h
---
apiVersion: jetstream.nats.io/v1beta2
kind: Consumer
metadata: {{name: consumer-{0}}}
spec:
  streamName: STREAM_{0}
  durableName: worker
  maxDeliver: 5
"""


def large_tree(services: int, streams: int) -> dict[str, str]:
    names = ("deployment", "service", "autoscaling", "config", "network-policy")
    parts = "---\n".join((EXAMPLE / "api" / f"{name}.yaml").read_text() for name in names)
    tree = {f"app-{i}.yaml": parts.replace("kgent-api", f"app-{i}") for i in range(services)}
    for name in ("config", "service", "statefulset"):
        tree[f"nats/{name}.yaml"] = (EXAMPLE / "nats" / f"{name}.yaml").read_text()
    tree["streams.yaml"] = "---\n".join(STREAM.format(i) for i in range(streams))
    return tree


@pytest.mark.slow
def test_two_hundred_services_and_five_hundred_streams(tmp_path: Path) -> None:
    write(tmp_path, large_tree(200, 500))
    system = discover([tmp_path], base=tmp_path).system
    assert len(system.services) == 201
    assert len(system.nats[0].streams) == 500


@pytest.mark.slow
def test_the_work_grows_with_the_size_and_not_faster(tmp_path: Path) -> None:
    def work(folder: str, size: int) -> int:
        root = write(tmp_path / folder, large_tree(size, size))
        return calls(lambda: discover([root], base=root))

    work("warm", 2)
    assert work("large", 40) < 4.5 * work("small", 10)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_FILES", 5)
    write(tmp_path, {f"{i}.yaml": "a: 1\n" for i in range(6)})
    with pytest.raises(InputError, match="has more than 5 files"):
        discover([tmp_path], base=tmp_path)


def test_a_long_chain_of_folders_ends(tmp_path: Path) -> None:
    tree = {f"{i}/kustomization.yaml": f"resources: [../{i + 1}]\n" for i in range(60)}
    tree["60/kustomization.yaml"] = "resources: []\n"
    with pytest.raises(InputError, match="more than 50 kustomizations deep"):
        discover([write(tmp_path, tree) / "0"], base=tmp_path)
