"""The configuration grammar: values, places, variables, includes, bounds; and that any text ends well."""

from __future__ import annotations

import string
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from secondsite.discover.nats_conf import Conf, Unresolved, parse_conf
from secondsite.model.errors import InputError
from secondsite.model.place import Place


def values(text: str, **environment: str) -> dict[str, object]:
    return parse_conf(text, "nats.conf", environment=environment).values


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("10", 10),
        ("-3", -3),
        ("1k", 1000),
        ("1kb", 1024),
        ("10Gi", 10 * 2**30),
        ("10G", 10**10),
        ("2MiB", 2 * 2**20),
        ("1t", 10**12),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("yes", True),
        ("OFF", False),
        ("127.0.0.1:4222", "127.0.0.1:4222"),
        ("10s", "10s"),
        ("2024-01-31T12:00:00Z", datetime(2024, 1, 31, 12, tzinfo=UTC)),
        ("nats://a:4222", "nats://a:4222"),
        ("a#b", "a#b"),
        ("'a # b'", "a # b"),
        (r"'a\n'", r"a\n"),
        (r'"a\n\"\x41\xe2\x82\xac"', 'a\n"A€'),
        (r"a\tb", "a\tb"),
        (r"tr\x75e", "true"),
        ("(\n a\n b\n)", "\n a\n b\n"),
        ("$2a$11$abc/de.f", "$2a$11$abc/de.f"),
        ("[a, 'b' \n c\n]", ["a", "b", "c"]),
        ("[1, 2 ]", [1, 2]),
        ("[1k]", ["1k"]),
        ("{}", {}),
        ("{a: 1, 'b c' = 2; \"d\" {e on}\n # x\n f\n 3}", {"a": 1, "b c": 2, "d": {"e": True}, "f": 3}),
    ],
)
def test_a_value_is_what_the_server_reads(written: str, value: object) -> None:
    found = values(f"x = {written}")["x"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["x=1", "x: 1", "x 1", "{x=1}", "{\nx=1\n}\n", "x=1}", "# c\n  x\n\n =1;", "'x': 1,"])
def test_separators_and_braces_around_it_all(text: str) -> None:
    assert values(text) == {"x": 1}


def test_the_last_of_equal_keys_counts() -> None:
    assert values("x 1\nx 2") == {"x": 2}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("a = 1\nb = [1]", "2:5", "not closed"),
        ("a {\n  b 1 c 2\n}", "2:7", "more text"),
        ("a = 'x", "1:5", "not closed"),
        ("a = (\nx", "1:5", "not closed"),
        ('a = "\\q"', "1:6", "escape"),
        ("a = 2024-02-30T00:00:00Z", "1:5", "date"),
        ("a = 99999999999999999999", "1:5", "64 bits"),
        ("a = 1kbb", "1:5", "unit"),
        ("a = .5", "1:5", "dot"),
        ("a = -x", "1:5", "digit"),
        ("a =\n5", "1:4", "line ends"),
        ("a", "1:1", "after a key"),
        ("= 1", "1:1", "without a key"),
        ("}\na = 1", "1:1", "closes nothing"),
        ("a = {b: }", "1:9", "without a value"),
        ("a = [,]", "1:6", "without a value"),
        ("a = b\0", "1:6", "NUL"),
        ("/ a", "1:1", "key should be"),
        ("include [x]", "1:9", "file name"),
        ("a = " + "{a " * 100, "1:197", "nested"),
    ],
)
def test_an_error_says_where_and_what(text: str, where: str, what: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_conf(text, "nats.conf")
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"nats.conf:{where}: ")
    assert what in problem.what
    assert problem.remedy


def test_places_follow_the_text_into_the_file_it_stands_in() -> None:
    conf = parse_conf("jetstream {\n  domain: eu\n}\nroutes: [ a, b ]", "cm.yaml", first_line=12, indent=4)
    assert conf.place(("jetstream", "domain")) == Place("cm.yaml", 13, 7)
    assert conf.place(("routes", 1)) == Place("cm.yaml", 15, 18)
    assert conf.place(("jetstream", "nothing")) == Place("cm.yaml", 12, 5)
    assert conf.place(("nothing",)) == Place("cm.yaml")


def test_variables_come_from_the_scopes_then_the_environment() -> None:
    text = "N = 1\na { N = 2\n b { c = $N } }\nd = $N\ne = $OUT\nf = $SIZE"
    assert values(text, OUT="'x'", SIZE="10Gi", N="9") == {
        "N": 1,
        "a": {"N": 2, "b": {"c": 2}},
        "d": 1,
        "e": "x",
        "f": 10 * 2**30,
    }


@pytest.mark.parametrize("text", ["a = $POD", "a = << $POD >>", 'a = "<< $POD >>"'])
def test_what_only_the_pod_knows_is_a_note(text: str) -> None:
    conf = parse_conf(text, "nats.conf")
    assert conf.values == {"a": Unresolved("POD")}
    (note,) = conf.notes
    assert str(note).startswith("nats.conf:1:5: $POD is not known here; set POD")
    assert values(text, POD="nats-0") == {"a": "nats-0"}


def test_a_variable_that_leads_to_another_one_is_told_by_its_name() -> None:
    conf = parse_conf("a = $PASSWORD_OF_PRESS", "nats.conf", environment={"PASSWORD_OF_PRESS": "${OUTSIDE}"})
    assert [note.what for note in conf.notes] == ["$OUTSIDE is not known here"]


def test_helm_brackets_hold_any_value() -> None:
    assert values('a = "<< 10Gi >>"\nb = << $a >>') == {"a": 10 * 2**30, "b": 10 * 2**30}


def test_a_hash_without_its_quotes_is_not_told() -> None:
    conf = parse_conf("password: $2b$11$secretsecret", "nats.conf")
    assert "secret" not in f"{conf} {conf.values} {conf.notes}"


def test_a_configuration_does_not_print_its_values() -> None:
    assert "hunter2" not in repr(parse_conf("password: hunter2\nhunter2: 1", "nats.conf"))


def includes(**files: str) -> Callable[[str], tuple[str, str]]:
    return lambda name: (files[name.replace("/", "_").removesuffix(".conf")], name)


def test_an_include_is_read_where_it_stands() -> None:
    files = includes(auth="user: a", sub_b="include c.conf", sub_c="x: [\n y ]")
    conf = parse_conf("include './auth.conf'\nm { include \"sub/b.conf\" }", "nats.conf", include=files)
    assert conf.values == {"user": "a", "m": {"x": ["y"]}}
    assert conf.place(("m", "x", 0)) == Place("sub/c.conf", 2, 2)


def test_an_include_that_is_not_at_hand_is_a_note() -> None:
    for include in (None, includes()):
        conf = parse_conf("a: 1\ninclude 'users.conf'", "nats.conf", include=include)
        assert conf.values == {"a": 1}
        assert "users.conf" in str(conf.notes[0])


def test_includes_that_never_end_are_refused() -> None:
    with pytest.raises(InputError, match="includes itself"):
        parse_conf("include a.conf", "nats.conf", include=includes(a="include b.conf", b="include a.conf"))
    with pytest.raises(InputError, match="nested more than"):
        parse_conf("include x", "nats.conf", include=lambda name: (f"include {name}x", name))


def test_variables_that_never_end_are_refused() -> None:
    with pytest.raises(InputError, match="refers to itself"):
        values("a = $A", A="$B", B="$A")
    with pytest.raises(InputError, match="one value"):
        values("a = $A", A="1\nb = 2")


def test_variables_cannot_multiply_without_bound() -> None:
    bomb = "v0 = [a, a, a, a, a, a, a, a, a, a]\n"
    bomb += "".join(f"v{n} = [{', '.join([f'$v{n - 1}'] * 10)}]\n" for n in range(1, 12))
    with pytest.raises(InputError, match="more than"):
        values(bomb)


def outcome(text: str) -> Conf | InputError:
    try:
        return parse_conf(text, "nats.conf", include=lambda name: (text, name), environment={"A": text, "B": "$A"})
    except InputError as error:
        return error


LARGE = {
    "brackets": "<<" * 500_000,
    "brackets apart": "a = " + "<< " * 300_000,
    "brackets that never close": "a=<<" + " " * 10**6,
    "escapes": 'a = "' + "\\t" * 500_000,
    "blocks": "a=[" + "(" * 500_000,
    "backslashes": "\\" * 10**6,
    "comments": "# x" * 10**6,
    "variables": "a $a\n" * 200_000,
    "words": "a " * 10**6,
    "five megabytes": "x" * 5 * 10**6,
    "digits": "a=" + "1" * 10**6,
    "braces": "{" * 10**6,
    "closing braces": "}" * 10**6,
    "spaces": "a" + " " * 10**6,
}


@pytest.mark.timeout(60)  # against a hang: none takes seconds
@pytest.mark.parametrize("name", LARGE)
def test_a_large_text_of_any_kind_ends(name: str) -> None:
    outcome(LARGE[name])


WORDS = st.sampled_from(
    [
        *"{}[]()=:;,'\"$#-.\\\n\r\t ",
        *("//", "include ", "<<", ">>", "$A", "$B", "a", "b ", "1", "2k", "1.5", "1.2.3", "2024-", "01-01T00:00:00Z"),
        *("true", "\\x4", "$2a$", "\n)\n", "\u00a0", "٥", "\0", "'x'"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(), st.lists(WORDS, max_size=30).map("".join)))
@example("a = {b:}")
def test_any_text_is_a_configuration_or_an_input_error(text: str) -> None:
    found = outcome(text)
    if isinstance(found, InputError):
        assert all(problem.place.line and problem.what and problem.remedy for problem in found.problems)
    else:
        assert found.place(("a",)).file in ("nats.conf", "a")


PLAIN = st.text(string.ascii_letters + string.digits + "_-./:*>", min_size=1).map(lambda text: f"w{text}")
STRINGS = st.one_of(PLAIN, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
KEYS = st.one_of(
    PLAIN.map(lambda text: text.replace(":", "")),
    st.text(st.characters(exclude_characters="\0'", exclude_categories=["Cs"])),
)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**12).map(lambda number: number * 1024),
    st.decimals(-(10**6), 10**6, places=3).map(float),
    st.datetimes(datetime(1000, 1, 1)).map(lambda moment: moment.replace(microsecond=0, tzinfo=UTC)),  # noqa: DTZ001
    STRINGS.filter(lambda text: not (text.startswith("<<") and text.endswith(">>"))),
)
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
    ),
    max_size=5,
)


class Writer:
    """Writes values in the grammar, with every freedom it gives drawn at random."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def one_of(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def blank(self) -> str:
        return self.one_of("", " ", "\n", "\t \n", " # it's {a} comment\n", "// [too\n")

    def entries(self, tree: dict[str, object], ends: tuple[str, ...], *, gap: bool) -> str:
        written = ""
        for key, value in tree.items():
            separator = self.one_of("=", ": ", " = ", "\n: ", " ", " \n ") + (self.one_of("", "\n ") if gap else "")
            written += self.blank() + self.key(key) + separator + self.value(value) + self.one_of(*ends)
        return written + self.blank()

    def key(self, key: str) -> str:
        bare = key.startswith("w") and key.isascii() and key.replace("-", "_").isidentifier()
        return self.one_of(key, f"'{key}'") if bare else f"'{key}'"

    def value(self, value: object) -> str:
        if isinstance(value, dict):
            return "{" + self.entries(value, ("\n", ",", ";", " \n", " # x\n"), gap=True) + "}"
        if isinstance(value, list):
            items = "".join(self.blank() + self.value(item) + self.one_of("\n", ",", " ,", " // x\n") for item in value)
            return f"[{items}{self.blank()}]"
        return self.scalar(value)

    def scalar(self, value: object) -> str:
        if isinstance(value, bool):
            return self.one_of(*(("true", "Yes", "on") if value else ("false", "no", "OFF")))
        if isinstance(value, int):
            return self.one_of(str(value), f"{value // 1024}kib" if value % 1024 == 0 and value >= 0 else str(value))
        if isinstance(value, float):
            return f"{value:.3f}"
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)
        return self.text(str(value))

    def text(self, value: str) -> str:
        ways = ['"' + "".join(self.character(character) for character in value) + '"']
        if "'" not in value:
            ways.append(f"'{value}'")
        if value.startswith("w") and value.isascii() and not set(value) & set("\n\r;,]} \t'\\\v\f"):
            ways.append(value)
        return self.one_of(*ways)

    def character(self, character: str) -> str:
        if character in '"\\':
            return f"\\{character}"
        spelt = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character, character)
        return self.one_of(spelt, "".join(f"\\x{byte:02x}" for byte in character.encode()))


@st.composite
def written(draw: st.DrawFn) -> tuple[dict[str, object], str]:
    tree: dict[str, object] = draw(TREES)
    writer = Writer(draw)
    text = writer.entries(tree, ("\n", ",\n", " # x\n", ";"), gap=False)
    return tree, draw(st.sampled_from([text, f"{{\n{text}\n}}\n"]))


@settings(max_examples=100, deadline=None)
@given(written())
def test_what_was_written_is_read_back(pair: tuple[dict[str, object], str]) -> None:
    tree, text = pair
    conf = parse_conf(text, "nats.conf")
    assert conf.values == tree
    assert not conf.notes
    assert all((key,) in conf.places for key in tree)
