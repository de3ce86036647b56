"""The sandbox that chat templates run in. Imports jinja2; import it on first use."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sized
from typing import Any, NoReturn

from jinja2 import Template, TemplateError
from jinja2.exceptions import SecurityError
from jinja2.ext import loopcontrols
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["Sandbox"]

MAX_REPEATED = 1_000_000
"""Items that `*` may make of a string or list in a template."""
MAX_POWER = 64
"""The largest exponent in a template."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja as chat templates expect it, without a way to fill the memory by arithmetic."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols],
            optimized=False,  # or constant arithmetic would be done while compiling, unguarded
        )
        self.filters["tojson"] = _to_json
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = _now

    def compiled(self, template: str) -> Template:
        """Return the template, ready to render."""
        return self.from_string(template)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Do arithmetic, but refuse what makes a small template a large text."""
        if operator == "**" and abs(right) > MAX_POWER:
            raise SecurityError(f"{right!r} is too large an exponent")
        if operator == "*" and max(_made(left, right), _made(right, left)) > MAX_REPEATED:
            raise SecurityError(f"more than {MAX_REPEATED:,} items are repeated")
        return super().call_binop(context, operator, left, right)


def _made(items: Any, times: Any) -> int:
    return len(items) * times if isinstance(items, Sized) and isinstance(times, int) else 0


def _to_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return dt.datetime.now().astimezone().strftime(form)
