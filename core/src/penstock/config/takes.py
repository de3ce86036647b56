"""Takes: which options a backend takes, asked of the plugin's own class without its engine."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol, cast

from penstock.backend import OptionValue
from penstock.config.origins import Setting
from penstock.declarations import BackendDeclaration
from penstock.errors import PluginError, UsageError
from penstock.importing import imported
from penstock.secret import Secret

__all__ = ["Takes"]


class _Options(Protocol):
    """What a declaration's `options` names."""

    def of(self, options: Mapping[str, OptionValue], /) -> object: ...


class Takes:
    """The options of one backend. One that declares no class takes anything, unchecked.

    So does one whose class cannot be asked; `fault` then says why.
    """

    def __init__(self, declared: BackendDeclaration) -> None:
        self.backend = declared.name
        self._declared = declared

    @property
    def fault(self) -> PluginError | None:
        """What is wrong with the class; None if nothing is, or there is none."""
        return self._found[1]

    @property
    def _class(self) -> _Options | None:
        return self._found[0]

    @cached_property
    def _found(self) -> tuple[_Options | None, PluginError | None]:
        """The class, or why it cannot be asked."""
        where, what = self._declared.options, f"the options of {self.backend!r}"
        if not where:
            return None, None
        try:
            found = imported(where, what)
            _assert_readable(found, f"{what}: {where!r}")
        except PluginError as error:
            return None, error
        return cast("_Options", found), None

    @cached_property
    def fields(self) -> Mapping[str, dataclasses.Field[Any]]:
        """The options by name, with their defaults; none where the class is no dataclass."""
        made: Any = self._class
        found = dataclasses.fields(made) if dataclasses.is_dataclass(made) else ()
        return {field.name: field for field in found}

    @cached_property
    def synonyms(self) -> Mapping[str, str]:
        """Other names of options, and the option that each means."""
        return dict(getattr(self._class, "SYNONYMS", {}))

    @cached_property
    def types(self) -> Mapping[str, object]:
        """The types of the options, as far as Python can tell them."""
        try:
            return typing.get_type_hints(self._class)
        except Exception:  # noqa: BLE001  # an annotation may be any expression
            return {}

    @property
    def document(self) -> str:
        """What the class says of the options, for people."""
        return getattr(self._class, "__doc__", None) or ""

    def knows(self, name: str) -> bool:
        """Whether there is an option of this name, as far as can be told."""
        return not self.fields or name in self.fields or name in self.synonyms

    def is_secret(self, name: str) -> bool:
        """Whether an option holds a secret: its type says so."""
        return "Secret" in self._type(name)

    def value(self, name: str, setting: Setting) -> OptionValue:
        """Return the value of an option as its backend wants it.

        A text of a variable stays text for an option that is text, though it looks like a number;
        a secret is put in a `Secret`.
        """
        value = cast("OptionValue", setting.value)
        if setting.text is not None and self._is_text(name):
            value = setting.text
        return Secret(value) if isinstance(value, str) and self.is_secret(name) else value

    def refusal(self, options: Mapping[str, OptionValue]) -> UsageError | None:
        """Return why the backend does not take these, None if it does."""
        if self._class is None:
            return None
        try:
            self._class.of(options)
        except UsageError as error:
            return error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # a plugin's own way to refuse a value
            return UsageError(f"{self.backend} does not take it: {error!r}")
        return None

    def secrets(self, options: Mapping[str, OptionValue]) -> frozenset[str]:
        """Return the options that hold a secret once the backend has read these.

        It may have found one by itself, as in the environment. None are, if it refuses them.
        """
        names = [name for name in self.fields if self.is_secret(name)]
        if not names or self._class is None or self.refusal(options) is not None:
            return frozenset()
        made = self._class.of(options)
        return frozenset(name for name in names if getattr(made, name, None))

    def _type(self, name: str) -> str:
        name = self.synonyms.get(name, name)
        return str(self.fields[name].type) if name in self.fields else ""

    def _is_text(self, name: str) -> bool:
        words = self._type(name)
        return ("str" in words or "Secret" in words) and not any(
            kind in words for kind in ("int", "float", "bool")
        )


def _assert_readable(made: Any, what: str) -> None:
    """Raise `PluginError` for a class that a configuration cannot be read into."""
    try:
        inspect.signature(made.of).bind({})
    except (AttributeError, TypeError) as error:
        raise PluginError(
            f"{what} has no classmethod of(mapping): {error}", hint="See `BackendDeclaration`"
        ) from error
    names = getattr(made, "SYNONYMS", {})
    fields = dataclasses.fields(made) if dataclasses.is_dataclass(made) else ()
    known = {field.name for field in fields}
    if not isinstance(names, Mapping) or (known and not known.issuperset(names.values())):
        raise PluginError(
            f"{what} has SYNONYMS = {names!r}", hint="It maps other names to those of fields"
        )
