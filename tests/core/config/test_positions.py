"""Every key that tomllib sees is found on a line on which it stands."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from penstock.config.positions import Position, lines_of

TEXT = '''\
# a = 1
default = "x" # b = 2
a.b."c.d" = 1979-05-27 07:32:00

[models.local]
options = { n = 1, several = [1, # c = 3
  { z = """
  [not.a.table]
  """"" }, 3], "\\u00e9" = '#' }

[[list]]
name = \'\'\'
key = 1\'\'\'\'
[list.inner]
k = true
[[list.more]]
[[list.more]]
q = -inf
[[list]]
'e"f' = 2
[models]
last = 1e3
'''

EXPECTED = {
    ("default",): 2,
    ("a",): 3,
    ("a", "b"): 3,
    ("a", "b", "c.d"): 3,
    ("models",): 21,
    ("models", "local"): 5,
    ("models", "local", "options"): 6,
    ("models", "local", "options", "n"): 6,
    ("models", "local", "options", "several"): 6,
    ("models", "local", "options", "several", 0): 6,
    ("models", "local", "options", "several", 1): 7,
    ("models", "local", "options", "several", 1, "z"): 7,
    ("models", "local", "options", "several", 2): 9,
    ("models", "local", "options", "é"): 9,
    ("models", "last"): 22,
    ("list",): 11,
    ("list", 0): 11,
    ("list", 0, "name"): 12,
    ("list", 0, "inner"): 14,
    ("list", 0, "inner", "k"): 15,
    ("list", 0, "more"): 16,
    ("list", 0, "more", 0): 16,
    ("list", 0, "more", 1): 17,
    ("list", 0, "more", 1, "q"): 18,
    ("list", 1): 19,
    ("list", 1, 'e"f'): 20,
}


def keys_of(value: object, path: Position = ()) -> Iterator[Position]:
    """Yield every key of a table and every place of an array."""
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        return
    for name, one in inner:
        yield (*path, name)
        yield from keys_of(one, (*path, name))


def stands_on(name: str, line: str) -> bool:
    forms = (name, json.dumps(name), json.dumps(name, ensure_ascii=False), f"'{name}'")
    return any(form in line for form in forms)


def assert_located(text: str) -> None:
    data, lines = tomllib.loads(text), lines_of(text)
    written = text.split("\n")
    for key in keys_of(data):
        assert 1 <= lines[key] <= len(written), key
        if isinstance(key[-1], str):
            assert stands_on(key[-1], written[lines[key] - 1]), (key, lines[key])
    assert set(lines) == set(keys_of(data))


def test_every_way_to_write_a_key_is_known():
    assert lines_of(TEXT) == EXPECTED
    assert_located(TEXT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# only this",
        'a = """"""\nb = 1',
        "a = '''\n'''''\nb = 1",
        'a = """\\""""\nb = 1',
        'a = """x""\\\n  """\nb = 1',
        "a = [\n]\nb = {}\nc = [[], [{}]]",
        '"" = 1\n["."."x y"]\nz = 2',
        "a . b = 1\na\t.\tc = 2",
        "[ a . 'b' ]\nc=[ 1 , 2 , ]",
        "[a.b]\n[a]\nc = 1\n[a.d]",
        "a = 07:32:00.5\nb = 1979-05-27T07:32:00Z # c = 1",
        "3.14 = 1\n1e5 = 2\ntrue = 3\n",
        "[[a]]\n[a.b]\nc = 1\n[[a]]\n[a.b]\nc = 2",
        "[[a.b]]\n[[a.b.c]]\nx = 1\n[[a.b.c]]\nx = 2\n[[a.b]]\n[[a.b.c]]\nx = 3",
    ],
)
def test_odd_texts(text):
    assert_located(text)


NAMES = st.one_of(
    st.sampled_from(["a", "b", "models", "x-y", "_", "0"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=4),
)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12
) | st.sampled_from(["a = 1", "[a]", '"""', "'''", "#", "x\ny = 2\n", "\\", '"', "{", "]]"])
SCALARS = st.one_of(
    st.integers(-99, 99), st.booleans(), st.floats(allow_nan=False, width=16), TEXTS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
TABLES = st.dictionaries(NAMES, VALUES, max_size=4)


class Writer:
    """Writes data as TOML, each thing in one of the ways that there are."""

    def __init__(self, draw) -> None:
        self._draw = draw
        self._lines: list[str] = []

    def text(self, data: dict) -> str:
        self._table((), data)
        return "\n".join(self._lines)

    def _table(self, path: tuple[str, ...], table: dict) -> None:
        """Write a table behind its header; tables and arrays of tables may come behind it."""
        later = []
        for name, value in table.items():
            apart = (isinstance(value, dict) and value) or self._is_array_of_tables(value)
            if apart and self._draw(st.booleans()):
                later.append((name, value))
            else:
                self._noise()
                self._pair(name, value)
        for name, value in later:
            for one in [value] if isinstance(value, dict) else value:
                header = ".".join(map(self._name, (*path, name)))
                self._noise()
                self._lines.append(f"[{header}]" if isinstance(value, dict) else f"[[ {header} ]]")
                self._table((*path, name), one)

    def _pair(self, name: str, value: object) -> None:
        if isinstance(value, dict) and value and self._draw(st.booleans()):
            for inner, one in value.items():
                self._lines.append(f"{self._name(name)} . {self._name(inner)} = {self._value(one)}")
        else:
            self._lines.append(f"{self._name(name)}={self._value(value)}")

    def _value(self, value: object) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str):
            return self._string(value)
        if isinstance(value, list):
            gap = self._draw(st.sampled_from([" ", "\n", " # a = [1\n", "\t"]))
            return f"[{gap}{f',{gap}'.join(map(self._value, value))}{gap}]"
        if isinstance(value, dict):
            pairs = (f"{self._name(name)} = {self._value(one)}" for name, one in value.items())
            return f"{{ {', '.join(pairs)} }}"
        return str(value)

    def _string(self, text: str) -> str:
        kind = self._draw(st.integers(0, 3))
        plain = all(sign >= " " and sign != "\x7f" for sign in text)
        if kind == 1 and plain and "'" not in text:
            return f"'{text}'"
        if kind == 2 and plain and "'" not in text:
            return f"'''\n{text}'''"
        escaped = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
        return f'""{escaped}""' if kind == 3 else escaped

    def _name(self, name: str) -> str:
        bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if (bare or set(name) in ({"-"}, {"_"})) and self._draw(st.booleans()):
            return name
        literal = "'" not in name and self._draw(st.booleans())
        return f"'{name}'" if literal else json.dumps(name, ensure_ascii=False)

    def _noise(self) -> None:
        self._lines += self._draw(
            st.lists(st.sampled_from(["", "# x = 1", "  ", "#[a]"]), max_size=2)
        )

    @staticmethod
    def _is_array_of_tables(value: object) -> bool:
        return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


@settings(deadline=None)
@given(st.data(), TABLES)
def test_every_key_of_any_document_is_found_where_it_stands(data, table):
    text = Writer(data.draw).text(table)
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # what TOML cannot say, such as a control character
        assume(False)
    assert read == table
    assert_located(text)


PIECES = st.sampled_from(
    ["a", "b.c", '"d e"', "'f'", " = ", "\n", "[", "]", "[[", "]]", "{", "}", ",", "1", '"x"',
     '"""', "'''", "#", " ", "\t", "\r\n", "true", "1.5", "1979-05-27", ".", "\\", "é", "a = 1\n",
     "[a]\n", "[[a]]\n", "b = [1,\n 2]\n", "c = {d = 1}\n", 'e = """\n"""\n'],
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(PIECES, max_size=24))
def test_every_key_of_whatever_tomllib_takes_is_found(pieces):
    text = "".join(pieces).replace("\r\n", "\n")
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert_located(text)
