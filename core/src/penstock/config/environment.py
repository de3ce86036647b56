"""The environment and the flags: variables `PENSTOCK_…` and `KEY=VALUE`, as layers."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from penstock.config.layers import Layer, is_table, layer_of
from penstock.config.origins import Key, Origin, Setting, dotted
from penstock.errors import UsageError
from penstock.nearest import nearest
from penstock.problem import Problem

__all__ = [
    "DEFAULT",
    "PREFIX",
    "layer_of_flags",
    "layer_of_variables",
    "overlooked",
    "read_value",
]

PREFIX: Final = "PENSTOCK_"
DEFAULT: Final = "PENSTOCK_MODEL"
"""The variable that names the default model."""

_BETWEEN: Final = "__"
_ALONE: Final = ("model", "default", "unsupported", "plugins", "disable_plugins")
"""What a variable that names no key of a table may be called."""
_HEADS: Final = ("default", "models", "presets", "sampling", "deadlines", "unsupported")
_TEXTS: Final = frozenset(
    {"backend", "source", "model", "device", "unsupported", "extends", "chat_template", "sha256"}
)
"""Keys of an entry whose value is text, whatever it looks like."""


def layer_of_variables(environ: Mapping[str, str], names: Collection[Key]) -> Layer:
    """Return what the variables say; `names` are the models and presets that files speak of.

    A variable that is empty is not set. In `PENSTOCK_MODELS__MY_MODEL__DEVICE`, the model may be
    called `my-model`, or `My.Model`. Other variables of the prefix are not looked at, unless they
    look as if they were meant.
    """
    layers, problems = [], []
    for variable in sorted(environ):
        text = environ[variable]
        if not variable.startswith(PREFIX) or not text:
            continue
        key = _key(variable, names)
        if key is not None:
            layers.append(_layer(key, text, variable))
        elif problem := _meant(variable):
            problems.append(problem)
    return _together(layers, problems)


def overlooked(environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning for each variable that nobody reads, and that looks as if it were meant."""
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or _BETWEEN in name or name in _ALONE:
            continue
        if hint := _instead(name):
            yield Problem(where=variable, what="nobody reads this variable", hint=hint)


def _instead(name: str) -> str:
    if name.partition("_")[0] in ("model", *filter(lambda head: is_table((head,)), _HEADS)):
        return "two underscores stand between keys, as in PENSTOCK_MODELS__NAME__KEY"
    near = nearest(name, _ALONE)
    return f"did you mean {PREFIX}{near[0].upper()}?" if near else ""


def layer_of_flags(pairs: Iterable[str], flag: str) -> Layer:
    """Return what `KEY=VALUE` pairs say. Raises `UsageError` for what is no such pair."""
    layers = []
    for pair in pairs:
        key, text = _split(pair, flag)
        layers.append(_layer(key, text, f"{flag} {dotted(key)}"))
    return _together(layers, [])


def _together(layers: Iterable[Layer], problems: list[Problem]) -> Layer:
    settings: dict[Key, Setting] = {}
    tables: dict[Key, Origin] = {}
    for layer in layers:
        settings |= layer.settings
        tables |= layer.tables
    return Layer(settings, tables, tuple(problems))


def _layer(key: Key, text: str, where: str) -> Layer:
    value = text if _is_text(key) else read_value(text)
    data: dict[str, object] = {key[-1]: value}
    for name in reversed(key[:-1]):
        data = {name: data}
    layer = layer_of(data, lambda _: Origin(where))
    if isinstance(value, Mapping):
        return layer
    settings = {  # the variable or the flag says the key
        place: Setting(one.value, one.origin, "", text) for place, one in layer.settings.items()
    }
    return Layer(settings, layer.tables)


def _is_text(key: Key) -> bool:
    if key[0] == "models":
        return len(key) == 3 and key[2] in _TEXTS
    return key[0] in ("default", "unsupported", "presets")


def read_value(text: str) -> object:
    """Return the value that TOML has for a text, or the text itself."""
    if "\n" in text or "\r" in text:
        return text
    try:
        read = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return read["value"] if len(read) == 1 else text


def _key(variable: str, names: Collection[Key]) -> Key | None:
    if variable == DEFAULT:
        return ("default",)
    head, *rest = variable.removeprefix(PREFIX).lower().split(_BETWEEN)
    if head not in _HEADS or not all(rest) or (rest and not is_table((head,))):
        return None
    if rest and head in ("models", "presets"):
        rest[0] = _named(head, rest[0], names)
    return (head, *rest)


def _named(head: str, word: str, names: Collection[Key]) -> str:
    """Return the name that a variable means: it can hold neither signs nor capital letters."""
    for key in names:
        if key[0] == head and _as_variable(key[1]) == word:
            return key[1]
    return word


def _as_variable(name: str) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in name).lower()


def _meant(variable: str) -> Problem | None:
    head, between, _ = variable.removeprefix(PREFIX).lower().partition(_BETWEEN)
    if not between:
        return None
    if head in _HEADS:
        return Problem(where=variable, what="names no key", hint="as in PENSTOCK_MODELS__NAME__KEY")
    near = nearest(head, _HEADS)
    if not near:
        return None
    return Problem(
        where=variable, what="unknown variable", hint=f"did you mean {PREFIX}{near[0].upper()}?"
    )


def _split(pair: str, flag: str) -> tuple[Key, str]:
    name, equals, text = pair.partition("=")
    if not equals:
        raise UsageError(f"{flag} {pair!r}", hint="It is written KEY=VALUE")
    try:
        table: object = tomllib.loads(f"{name} = 0") if "\n" not in name else None
    except (ValueError, RecursionError):
        table = None
    key: Key = ()
    while isinstance(table, dict) and len(table) == 1:
        inner, table = next(iter(table.items()))
        key = (*key, inner)
    if not key or table != 0:
        hint = "It is a dotted key, such as models.local.device"
        raise UsageError(f"{flag} {name!r}", hint=hint)
    return key, text
