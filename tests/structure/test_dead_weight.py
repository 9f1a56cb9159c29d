"""What nothing uses is gone: fields of the model that nobody reads, and helpers that only tests call."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from source_trees import SOURCE, nodes, nodes_of, trees

READERS = ("model", "discover")
"""They read, merge, check and write every field; a use is one in any other room."""
FOREIGN = {  # what a library calls by its name
    *("data_received", "datagram_received", "eof_received", "pause_writing", "resume_writing"),
    *("on_message_begin", "on_body", "on_message_complete", "rich_proxied_file", "version_string", "log_message"),
    *("pytest_addoption", "collect"),  # pytest, prometheus_client
}
FOR_THE_FILE = {"LeafLink.account", "StreamOrigin.external"}
"""What tells two items of `secondsite.yaml` apart, and what says that a name need not be known in it."""
INSTRUMENTS = {"Wan.bytes_between"}
"""What tests measure the lab by."""
SHOWN_WHOLE = {"PostgresState.replayed_at", "StreamOutcome.proof_s"}
"""What ``--json`` shows with all fields of its class."""
OF_HTTP = {f"QdrantRequests.do_{verb}" for verb in ("GET", "POST", "PUT", "DELETE")}
"""What `http.server` calls by its name."""


def templates(source: Path) -> str:
    return " ".join(path.read_text(encoding="utf-8") for path in source.rglob("*.j2"))


def unread_fields(source: Path) -> list[str]:
    """Fields of the nouns whose name stands behind no dot outside of what reads and writes the file."""
    read = set(re.findall(r"\.(\w+)", templates(source)))
    for room in (path.name for path in source.iterdir()):
        for _, node in nodes_of(source, (room,)):
            if isinstance(node, ast.Attribute) and (room not in READERS or (room == "model" and _of_self(node))):
                read.add(node.attr)  # by others, or by a property of the noun that says it otherwise
    return [
        f"{noun.name}.{field.target.id}"
        for path, tree in trees(source).items()
        if path.is_relative_to(source / "model")
        for noun in tree.body
        if isinstance(noun, ast.ClassDef) and not noun.name.startswith("_")
        for field in noun.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.target.id not in read
    ]


def _of_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def uncalled(source: Path) -> list[str]:
    """Functions, classes, constants and methods whose name is used nowhere; a decorator may register one."""
    used = set(re.findall(r"\w+", templates(source) + (source.parents[1] / "pyproject.toml").read_text("utf-8")))
    for _, node in nodes(source):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # the command line names its verbs
            named = set(re.findall(r"(?:^|:)([a-z]\w*)$", node.value))
            used |= named | {f"{name}_" for name in named}
    used |= FOREIGN
    return [name for tree in trees(source).values() for name in _defined(tree) if name.rpartition(".")[2] not in used]


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _registered(node):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name) and target.id != "__all__")
        elif isinstance(node, ast.ClassDef):
            yield node.name
            for each in node.body:
                if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _registered(each):
                    yield f"{node.name}.{each.name}"
                elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                    yield f"{node.name}.{each.target.id}"


def _registered(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return node.name.startswith("__") or any(
        isinstance(each, (ast.Call, ast.Attribute)) for each in node.decorator_list
    )


def unused_parameters(source: Path) -> list[str]:
    """Parameters that a function deletes at once: its protocol passes what it does not need."""
    return [
        f"{path.name}: {node.name}({target.id})"
        for path, node in nodes(source)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for statement in ast.walk(node)
        if isinstance(statement, ast.Delete)
        for target in statement.targets
        if isinstance(target, ast.Name) and target.id in {argument.arg for argument in _arguments(node)}
    ]


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    rest = [each for each in (node.args.vararg, node.args.kwarg) if each]
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, *rest]


def test_no_protocol_passes_what_a_part_deletes() -> None:
    assert unused_parameters(SOURCE) == []


def test_every_field_of_the_model_is_read_by_somebody() -> None:
    assert set(unread_fields(SOURCE)) == FOR_THE_FILE


def test_nothing_stands_in_src_for_tests_alone() -> None:
    assert set(uncalled(SOURCE)) == INSTRUMENTS | OF_HTTP | SHOWN_WHOLE


def test_a_dead_field_and_a_dead_helper_are_found(tmp_path: Path) -> None:
    source = tmp_path / "src" / "secondsite"
    (source / "model").mkdir(parents=True)
    (source / "operate").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (source / "model" / "noun.py").write_text("class Noun:\n    used: int\n    dead: int\n", encoding="utf-8")
    (source / "operate" / "use.py").write_text(
        "LIMIT = 3\ndef work(noun, more):\n    del more\n    return help(noun.used)\ndef help(_):\n    return Noun\n",
        encoding="utf-8",
    )
    assert unread_fields(source) == ["Noun.dead"]
    assert unused_parameters(source) == ["use.py: work(more)"]
    assert uncalled(source) == ["Noun.dead", "LIMIT", "work"]
