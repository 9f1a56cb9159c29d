"""The text of a file so changed that it says another System, and nothing else touched.

Whatever a person wrote around the values stays as it is: comments, blank lines, order, spelling. Only the lines
change whose value or mark changes. What always holds: the new text reads back as the System that was asked for,
or an `InputError` says that the file is written in a way that cannot be edited.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field

from secondsite.discover.system_file.comments import comment_of, mark_of
from secondsite.discover.system_file.document import Document
from secondsite.discover.system_file.reading import read_system
from secondsite.discover.system_file.schema import Field, FieldShape, Noun, canonical, fields_of, identity, join
from secondsite.discover.system_file.teaching import SECTIONS, commented
from secondsite.discover.system_file.writing import Writer
from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode
from secondsite.model.errors import InputError
from secondsite.model.mark import Mark
from secondsite.model.place import Place
from secondsite.model.system import System


def revise_document(document: Document, now: System, system: System) -> str:
    """The text of ``document``, which says ``now``, with the values and marks of ``system``. Raises `InputError`."""
    editor = _Editor(document, now.marks, Writer(canonical(system).marks))
    editor.noun(document.root, now, system, "")
    revised = editor.applied()
    says = now if revised == document.text else _reads_as(revised, document.file)
    if says != system:
        raise InputError.at(
            document.file,
            "is written in a way that cannot be edited in place (aliases, or several entries on one line)",
            "write each entry on its own line, or name another file with --file and merge by hand",
        )
    return revised


def _reads_as(text: str, file: str) -> System | None:
    try:
        return read_system(text, file)
    except InputError:
        return None


@define
class _Editor:
    """Collects replacements of spans; ``now`` are the marks of the text as it is.

    An edit is a start, an end, how far out it belongs and the new text: of two blocks that end on one line, what is
    added to the inner one comes first.
    """

    document: Document
    now: Mapping[str, Mark]
    writer: Writer
    edits: list[tuple[int, int, int, str]] = field(factory=list)

    def applied(self) -> str:
        text, pieces, done = self.document.text, [], 0
        for start, end, _, new in sorted(self.edits, key=lambda edit: edit[:3]):
            pieces += [text[done:start], new]
            done = max(done, end)
        revised = "".join([*pieces, text[done:]])
        return revised.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else revised

    def noun(self, node: MapNode, now: Noun, wanted: Noun, path: str, *, item: bool = False) -> None:
        """Bring a block mapping to say ``wanted``."""
        first = next(iter(node.entries), None) if item else None
        after: str | None = None
        for entry in fields_of(type(wanted)):
            below = join(path, entry.key)
            value = node.get(entry.key)
            if value is None:
                self._insert(node, after, entry, wanted, path)
                continue
            after = entry.key
            was, will = getattr(now, entry.attribute), getattr(wanted, entry.attribute)
            if was != will and not self.writer.is_written(entry, will, below) and len(node.entries) > 1:
                self._remove(node, entry.key)
            elif entry.kind is FieldShape.LEAF or not self._descend(node, entry, was, will, below):
                self._value(node, entry, was, will, below, marked=entry.key != first)

    def _descend(self, node: MapNode, entry: Field, was: Noun, will: Noun, path: str) -> bool:
        """Edit inside a block; false where the value has to be replaced as a whole."""
        value = node.entries[entry.key]
        if not self.document.is_block(value):
            return False
        if entry.kind is FieldShape.NOUN and isinstance(value, MapNode) and will is not None:
            if not self.writer.block(will, path, 0)[0].startswith("{}"):
                self._comment(node.keys[entry.key], value, path)
                self.noun(value, was, will, path)
                return True
        elif entry.kind is FieldShape.NOUNS and isinstance(value, ListNode) and will:
            self._comment(node.keys[entry.key], value, path)
            self._items(value, was, will, path, above=path.rpartition(".")[0])
            return True
        return False

    def _items(self, node: ListNode, now: Noun, wanted: Noun, path: str, above: str) -> None:
        """``above`` is the path of what holds the list; empty for a section of the file."""
        known = {identity(noun): (item, noun) for item, noun in zip(node.items, now, strict=True)}
        kept = {identity(noun) for noun in wanted}
        for name, (item, _) in known.items():
            if name not in kept:
                self._cut(self._dash(item), self.document.end(item), blank_above=True)
        indent = self._column(self._dash(node.items[0]))
        end = self._line_end(self.document.end(node))
        for noun in wanted:
            if identity(noun) in known:
                self._item(*known[identity(noun)], noun, join(path, identity(noun)))
        for noun in wanted:
            if identity(noun) not in known:
                lines = self.writer.item(noun, join(path, identity(noun)), indent)
                self._add(end, path, ["", *lines] if not above and len(lines) > 1 else lines)

    def _item(self, node: Node, was: Noun, wanted: Noun, path: str) -> None:
        if isinstance(node, MapNode) and self.document.is_block(node):
            key, value = next(iter(node.entries.items()))
            self._comment(node.keys[key], value, path)
            self.noun(node, was, wanted, path, item=True)
        elif was != wanted:
            dash = self._dash(node)
            lines = self.writer.item(wanted, path, self._column(dash))
            end = self._line_end(self.document.end(node))
            self.edits.append((self._line_start(dash), end, 0, "\n".join(lines) + "\n"))
        else:
            self._comment(None, node, path)

    def _value(self, node: MapNode, entry: Field, was: Noun, will: Noun, path: str, *, marked: bool) -> None:
        """Replace one value where it stands; unless ``marked``, the comment there speaks of something else."""
        key, value = node.keys[entry.key], node.entries[entry.key]
        block = isinstance(value, ScalarNode) and value.block
        if was != will and (block or entry.kind is not FieldShape.LEAF):
            lines = self.writer.lines_of(entry, will, path, key.column - 1)
            end = self._line_end(self.document.end(value))
            self.edits.append((self.document.index(key), end, 0, "\n".join(lines).lstrip() + "\n"))
            return
        if was != will:
            start, new = self.document.start(value), self.writer.leaf(entry, will)
            spaced = new if self.document.text[start - 1] in " \t" else f" {new}"
            self.edits.append((start, self.document.end(value), 0, spaced))
        if marked:
            self._comment(key, value, path)

    def _comment(self, key: Place | None, value: Node, path: str) -> None:
        """Bring the end-of-line comment up to date, unless it is a person's own."""
        wanted = self.writer.marks.get(path)
        mine, new = comment_of(self.now.get(path)), comment_of(wanted)
        index = self.document.comment_start(key, value)
        comment = self.document.comment_at(index)
        if mine == new or comment is None:
            return
        _, end, words = comment
        if words.strip() and mark_of(words, Place("")) is None:
            return
        self.edits.append((index, end, 0, f"  # {new}" if new else ""))

    def _insert(self, node: MapNode, after: str | None, entry: Field, wanted: Noun, path: str) -> None:
        key = next(iter(node.keys.values()))
        lines = self.writer.entry(entry, wanted, path, key.column - 1)
        if not lines:
            return
        if not path:
            lines = ["", *(commented(SECTIONS[entry.key]) if entry.key in SECTIONS else []), *lines]
        previous = node.entries[after] if after else list(node.entries.values())[-1]
        self._add(self._line_end(self.document.end(previous)), path, lines)

    def _add(self, index: int, path: str, lines: list[str]) -> None:
        """To the block at the path, which is longer than that of any block around it."""
        text = self.document.text
        before = "\n" if index and text[index - 1] not in "\r\n" else ""
        self.edits.append((index, index, -len(path), before + "\n".join(lines) + "\n"))

    def _remove(self, node: MapNode, key: str) -> None:
        start = self.document.index(node.keys[key])
        line = self._line_start(start)
        if not self.document.text[line:start].strip():
            self._cut(start, self.document.end(node.entries[key]))
            return
        others = [self.document.index(place) for place in node.keys.values()]
        following = min((index for index in others if index > start), default=start)
        self.edits.append((start, following, 0, ""))

    def _cut(self, start: int, end: int, *, blank_above: bool = False) -> None:
        """Whole lines; with ``blank_above`` the blank lines that set an item apart go too."""
        line = self._line_start(start)
        if blank_above:
            while self.document.text[:line].endswith("\n\n"):
                line -= 1
        self.edits.append((line, self._line_end(end), 0, ""))

    def _dash(self, item: Node) -> int:
        return self.document.text.rindex("-", 0, self.document.start(item))

    def _column(self, index: int) -> int:
        return index - self._line_start(index)

    def _line_start(self, index: int) -> int:
        return self.document.text.rfind("\n", 0, index) + 1

    def _line_end(self, index: int) -> int:
        """Behind the line break of the line that ``index`` stands on."""
        end = self.document.text.find("\n", index)
        return len(self.document.text) if end < 0 else end + 1
