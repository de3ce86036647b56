"""Explaining: which place sets a value, and over which others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.config.auditing import Auditor
from penstock.config.config import NAMING, Config
from penstock.config.layers import ENTRY_KEYS, MODEL
from penstock.config.listing import json_value, seen
from penstock.config.masking import written
from penstock.config.origins import Key, Setting, dotted
from penstock.config.suggestion import suggestion, table_of
from penstock.errors import UsageError
from penstock.values import dataclass

__all__ = ["Explained", "explained"]


@dataclass(frozen=True, slots=True)
class Explained:
    """One value: its key, itself as JSON has it and as TOML writes it, and where it comes from.

    inherited  the key that it was written as, where that is of another table
    over       what it overrides: texts "value, at place"
    """

    key: str
    value: object
    text: str
    origin: str
    inherited: str = ""
    over: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield lines for people."""
        yield f"{self.key} = {self.text}"
        yield f"  {self.origin}" + (f", as {self.inherited}" if self.inherited else "")
        for one in self.over:
            yield f"  over {one}"


def explained(config: Config, auditor: Auditor, asked: str) -> list[Explained]:
    """Return what holds for a key, or for all keys of a table.

    Raises `UsageError`, with the nearest key, for one that nothing sets.
    """
    everything = dict(_all(config, auditor))
    wanted = {_plain(key) for key in _spellings(_by_name(config, asked))}
    found = [
        _explained(config, auditor, key, setting)
        for key, setting in everything.items()
        if any(_plain(key) == one or _plain(key).startswith(f"{one}.") for one in wanted)
    ]
    if not found:
        raise UsageError(f"nothing sets {asked!r}", hint=_instead(config, asked, everything))
    return found


def _all(config: Config, auditor: Auditor) -> Iterator[tuple[Key, Setting]]:
    """Yield what holds at the top, and for each model with all that it takes from elsewhere."""
    for key, setting in config.settings.items():
        if key[0] != "models":
            yield key, setting
    for name in config.models:
        naming = {key: one for key, one in config.own(name).items() if key[0] in NAMING}
        for inner, setting in {**auditor.settings_of(name), **naming}.items():
            yield ("models", name, *inner), setting


def _explained(config: Config, auditor: Auditor, key: Key, setting: Setting) -> Explained:
    value = seen(key, setting, auditor)
    own = key in config.settings
    others = [*config.all_of(key)][1:] if own else []
    return Explained(
        key=dotted(key),
        value=json_value(value),
        text=written(value),
        origin=str(setting.origin),
        inherited="" if own else setting.key,
        over=tuple(f"{written(seen(key, one, auditor))}, at {one.origin}" for one in others),
    )


def _instead(config: Config, asked: str, keys: Iterable[Key]) -> str:
    if _is_right(config, asked):
        return "The default holds: of the plugin, or of the engine"
    return _capital(suggestion(asked, [dotted(key) for key in keys]))


def _is_right(config: Config, asked: str) -> bool:
    """Whether there may be such a key; which options there are, backends know alone."""
    key = _by_name(config, asked)
    inner = [key.removeprefix(f"models.{name}.") for name in config.models]
    ours = any(one != key and (one in ENTRY_KEYS or _is_of_a_call(one)) for one in inner)
    return ours or key in ("default", "unsupported") or _is_of_a_call(key)


def _is_of_a_call(key: str) -> bool:
    table, _, name = key.partition(".")
    return table_of(name) == table != ""


def _by_name(config: Config, asked: str) -> str:
    """Return a key with the name of a model in the place of its alias."""
    for alias, name in config.aliases.items():
        key = _plain(("models", alias))
        if _plain((asked,)) == key or _plain((asked,)).startswith(f"{key}."):
            return _plain(("models", name)) + _plain((asked,)).removeprefix(key)
    return asked


def _spellings(asked: str) -> Iterator[Key]:
    """Yield a key as it may be meant: an option may stand beside `backend`, and so be asked for."""
    yield (asked,)
    parts = asked.split(".")
    if len(parts) >= 3 and parts[0] == "models":
        if parts[-1] == MODEL:
            yield (*parts[:-1], "source")
        elif parts[-1] not in ENTRY_KEYS and "options" not in parts:
            yield (*parts[:-1], "options", parts[-1])


def _plain(key: Key) -> str:
    """Return a key as people write it, without quotes."""
    return ".".join(key).replace('"', "")


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
