"""Every command of README and docs: its verb and options exist, and what needs no server is run as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import frozen
from cyclopts import App, MissingArgumentError
from markdown_it import MarkdownIt

from secondsite.cli.__main__ import app, run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")),
)
EVERYWHERE = {"--output", "--quiet", "--verbose", "--help", "-h", "--version"}
RUN = (
    "audit",
    "schema",
    "completion",
    "verify",
    "catalogue regions",
    "drill --list",
    "demo --dry-run",
    "operate check",
    "archive policy",
    "archive deployment",
    "backup cronjob",
    "init k8s/ --yes",
    "init k8s/ --exclude",
)
"""What is run where no placeholder is in it; on a copy of the example, with exit codes that are verdicts."""
TAIL = re.compile(r"\s{2,}\S.*|\s+[#>|&].*|[.…]{1,3}$|\s+\[.*")


@frozen
class Documented:
    page: str
    words: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not any(re.search(r"[A-Z]{3,}|[$…<]", word) for word in self.words)


def documented() -> Iterator[Documented]:
    for page in PAGES:
        for token in MarkdownIt("commonmark").parse((ROOT / page).read_text("utf-8")):
            if token.type in ("code_block", "fence"):
                for line in re.sub(r"\\\n\s*", "", token.content).splitlines():
                    yield from commands(page, line)


def commands(page: str, line: str) -> Iterator[Documented]:
    """The words of a line that begins with the command; what explains it stands after two spaces."""
    found = re.match(r"^\s*\$?\s*secondsite ([a-z-].*)$", line)
    if found is None:
        return
    text = TAIL.sub("", found[1].split("  ")[0]).strip()
    try:
        yield Documented(page, tuple(shlex.split(text, comments=True)))
    except ValueError:
        return


ALL = tuple(dict.fromkeys(documented()))


def command_of(words: tuple[str, ...]) -> tuple[App, list[str]]:
    """The command that the first words name, and the rest."""
    here, rest = app, list(words)
    while rest and not rest[0].startswith("-"):
        if rest[0] not in list(here):
            break
        here = here[rest.pop(0)]
    return here, rest


def options_of(command: App) -> set[str]:
    """Also those of the command that runs where only the group is named."""
    names = set(EVERYWHERE)
    for each in (command, *([command.default_command] if isinstance(command.default_command, App) else [])):
        if each.default_command is not None:
            names |= {name for argument in each.assemble_argument_collection() for name in argument.names}
    return names


def test_there_are_commands_of_every_page_that_has_some() -> None:
    assert len(ALL) > 100
    assert {"README.md", "docs/operate.md", "docs/backup.md", "docs/archive.md", "docs/watch.md"} <= {
        one.page for one in ALL
    }


def test_every_verb_and_every_option_exists() -> None:
    wrong = []
    for one in ALL:
        command, rest = command_of(one.words)
        if command is app and one.words and not one.words[0].startswith("-"):
            wrong.append((one.page, " ".join(one.words), "no such verb"))
            continue
        known = options_of(command)
        given = [word.partition("=")[0] for word in rest if word.startswith("--") and word != "--"]
        wrong += [(one.page, " ".join(one.words), option) for option in given if option not in known]
    assert not wrong


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documented") / "kgents"
    shutil.copytree(ROOT / "examples" / "kgents", folder)
    (folder / "k8s").symlink_to("manifests")
    return folder


@pytest.mark.parametrize("one", [one for one in ALL if one.whole], ids=lambda one: " ".join(one.words))
def test_every_argument_is_one_that_its_command_takes(one: Documented) -> None:
    """Bound to the command's parameters, values and all; nothing is run. Where only a verb is told of, what it needs is
    left out.
    """
    with suppress(MissingArgumentError):
        app.parse_args(list(one.words), exit_on_error=False, print_error=False)


def test_what_needs_no_server_is_run(
    example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(example)
    ran = 0
    for words in dict.fromkeys(one.words for one in ALL if one.whole):
        line = " ".join(words)
        if not line.startswith(RUN) or any(Path(word).suffix for word in words):
            continue
        code = run(list(words))
        told = capsys.readouterr()
        assert code in (0, 1, 3), (line, code, told.err)
        ran += 1
    assert ran >= 12
