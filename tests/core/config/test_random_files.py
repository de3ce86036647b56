"""Whatever stands in a file, nothing but `ConfigError` comes out."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from penstock.config import Config
from penstock.config.auditing import Auditor
from penstock.config.editors import json_schema
from penstock.config.explaining import explained
from penstock.config.exposure import exposed
from penstock.config.layers import ENTRY_KEYS
from penstock.config.listing import as_toml, as_tree
from penstock.config.reading import layer_of_file
from penstock.config.takes import Takes
from penstock.errors import ConfigError, PenstockError
from penstock.problem import Problem
from penstock.registry import Registry
from penstock.request import CallOptions, Deadlines

REGISTRY = Registry.installed()
RANDOM = settings(deadline=None)

WORDS = ["local", "cloud", "a", "openai", "llamacpp", "echo", "pocket:", "echo:x", "auto", "env"]
OPTIONS = [
    "n_ctx",
    "base_url",
    "api_key",
    "headers",
    "delay",
    "threads",
    "lora",
    "model",
    "template",
]
KEYS = st.sampled_from(
    ["default", "models", "presets", "sampling", "deadlines", "unsupported", "target", "summary",
     "command", "file", "keyring", *ENTRY_KEYS, *OPTIONS, *WORDS, *CallOptions.__annotations__,
     *Deadlines.__slots__],
) | st.text(max_size=5)  # fmt: skip
SCALARS = st.one_of(
    st.integers(-(10**400), 10**400),
    st.integers(-2, 2),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.text(max_size=8),
    st.sampled_from([*WORDS, "30s", "warn", "https://u:p@x/y", "0" * 64]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)
ENTRIES = st.dictionaries(KEYS, VALUES, max_size=5)
DOCUMENTS = st.one_of(
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.fixed_dictionaries({"models": st.dictionaries(KEYS, ENTRIES, max_size=3)}),
)


def every_look_at(config: Config) -> None:
    """Do all that commands do; of what is wrong, only `PenstockError` may come."""
    auditor = Auditor(config, REGISTRY)
    for problem in [*auditor.problems(), *exposed(config, auditor)]:
        assert isinstance(problem, Problem)
        assert str(problem)
    tomllib.loads("\n".join(as_toml(config, auditor, origins=True)))
    json.dumps(as_tree(config, auditor), default=str)
    for name in config.models:
        try:
            explained(config, auditor, f"models.{name}")
        except PenstockError:
            assert not config.of_model(name)


def refused(config: object) -> bool:
    try:
        Config.of(config)
    except ConfigError as error:
        return bool(error.problems)
    return False


@RANDOM
@given(DOCUMENTS)
def test_any_mapping_is_right_or_refused(data):
    refused(data)
    every_look_at(Config.of(data, tolerant=True))


def toml(value: object) -> str:
    """Write a value as TOML does, tables in one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{toml(key)} = {toml(one)}' for key, one in value.items())} }}"
    return str(value).replace(" ", "T")


@RANDOM
@given(DOCUMENTS)
def test_any_document_is_right_or_refused(tmp_path_factory, data):
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in data.items())
    any_text_is_right_or_refused(tmp_path_factory.getbasetemp(), text.encode(errors="replace"))


FRAGMENTS = st.sampled_from(
    ["[models.local]", "[models]", "[[models]]", "[presets]", "models.local.", "backend", "source",
     " = ", "\n", '"pocket:"', "'x'", "[", "]", "{", "}", ",", "1", "true", "#", '"""', "'''", ".",
     "sampling", "{ env = 'X' }", "\r\n", "\x00", "é", "\\", "default = 'local'\n"],
)  # fmt: skip


@RANDOM
@given(st.lists(FRAGMENTS, max_size=20).map("".join).map(str.encode) | st.binary(max_size=60))
def test_any_text_is_right_or_refused(tmp_path_factory, content):
    any_text_is_right_or_refused(tmp_path_factory.getbasetemp(), content)


def any_text_is_right_or_refused(folder: Path, content: bytes) -> None:
    path = folder / "random.toml"
    path.write_bytes(content)
    every_look_at(Config([layer_of_file(path)], tolerant=True))
    try:
        Config.read(path, environ={})
    except ConfigError as error:
        for problem in error.problems:
            assert problem.line is None or 1 <= problem.line <= content.count(b"\n") + 2


VALID = Draft202012Validator(json_schema(REGISTRY))
BACKENDS = [Takes(declared) for declared in REGISTRY.backends.values()]
LIKELY = st.one_of(
    st.sampled_from(
        ["auto", "x", "a=b", "a: b", "https://example.com/v1", "3,1", "{}", "f16", 1.5]
    ),
    st.integers(-1, 3),
    st.booleans(),
    st.lists(st.sampled_from(["a=b", "a: b", 1, 0.5]), max_size=2),
    st.sampled_from([{"env": "X"}, {"command": ["a"]}, {"keyring": "a/b"}, {"file": "c"}]),
)


@st.composite
def likely_entries(draw: st.DrawFn) -> dict[str, object]:
    """Draw an entry of `models` that may well be right."""
    takes = draw(st.sampled_from(BACKENDS))
    names = st.sampled_from([*takes.fields, *takes.synonyms])
    entry = {"source": "pocket:", **draw(st.dictionaries(names, LIKELY, max_size=2))}
    entry["options"] = draw(st.dictionaries(names, LIKELY, max_size=2))
    if draw(st.booleans()):
        entry["backend"] = takes.backend
    options = st.dictionaries(st.sampled_from([*CallOptions.__annotations__]), LIKELY, max_size=2)
    return {**entry, "sampling": draw(options)}


@settings(deadline=None, max_examples=300)
@given(likely_entries())
def test_what_check_takes_is_valid_for_editors(entry):
    document = {"models": {"a": entry}}
    if not Auditor(Config.of(document, tolerant=True), REGISTRY).problems():
        VALID.validate(document)


VARIABLES = st.dictionaries(
    st.lists(KEYS, min_size=1, max_size=4).map(lambda keys: f"PENSTOCK_{'__'.join(keys).upper()}"),
    VALUES.map(toml) | st.text(max_size=8),
    max_size=4,
)


@RANDOM
@given(VARIABLES)
def test_any_variables_are_right_or_refused(tmp_path_factory, variables):
    empty = tmp_path_factory.getbasetemp() / "empty.toml"
    empty.touch()
    every_look_at(Config.read(empty, environ=variables, tolerant=True))


@pytest.mark.parametrize(
    "data", [{"models": {"a": {"sampling": {"stop": 5}}}}, {"sampling": {"tools": [1]}}]
)
def test_values_that_no_option_expects_are_refused(data):
    assert refused(data)
