"""The sandbox that chat templates run in. Imports jinja2; import it on first use.

A template is a program out of a file from anywhere. It gets no further than its arguments, and no
longer than its `Budget`: the clock is looked at with every turn of a loop and every call, and what
it may do between two looks is bounded, since texts, lists and numbers have a greatest size.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator, MappingView, Sized
from contextlib import contextmanager
from functools import wraps
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import make_attrgetter
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from penstock.templates.budget import Budget
from penstock.templates.said import Arguments, Said, kept, plain, plainly

__all__ = ["Sandbox"]

MAX_REPEATED = 1_000_000
"""Items that `*` may make of a string or list in a template."""

MAX_POWER = 64
"""The largest exponent in a template."""

MAX_BITS = 4096
"""Binary digits of the largest number that `*` and `**` may make."""

MAX_WIDTH = 1000
"""Columns that a template may pad or indent a text by."""

_FILTERS = (
    "abs", "attr", "capitalize", "d", "default", "dictsort", "first", "float", "groupby", "int",
    "items", "last", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse",
    "select", "selectattr", "sort", "trim", "truncate", "unique", "upper",
)  # fmt: skip
"""Those of Jinja's filters that take no longer than their input is long."""

_NUMBERS = frozenset({"float", "int"})
"""Those that read numbers out of texts."""

_WHOLE = frozenset({"dictsort", "groupby", "max", "min", "sort", "unique"})
"""Those that look at every part of what they get."""

_LONG = (str, list, tuple)

_PADDING = frozenset({"center", "expandtabs", "ljust", "rjust", "zfill"})
_NEEDLESS = frozenset({"encode", "maketrans", "translate"})

_WIDE_PERCENT = re.compile(r"%(?:\([^)]*\))?[^%a-zA-Z]*?(?:\*|\d{4})")
_WIDE_BRACES = re.compile(r"\{[^{}]*(?:\d{4}|\{)")
"""Placeholders with a width of 1,000 or more, or one that comes from elsewhere."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja as chat templates expect it, within bounds, and aware of what people said."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols, _Generation],
            finalize=self.weighed,
            optimized=False,  # or constant arithmetic would be done while compiling, unguarded
        )
        self.code_generator_class = _Stepping
        self._running = threading.local()
        theirs: dict[str, Any] = dict(self.filters)
        self.filters = {name: self._bounded(name, theirs[name]) for name in _FILTERS}
        self.filters |= {
            "count": _length,
            "format": self._format,
            "indent": self._indent,
            "join": self._join,
            "length": _length,
            "replace": self._replace,
            "round": self._round,
            "safe": self.weighed,  # nothing is escaped here
            "string": self._string,
            "title": lambda text: self._string(text).title(),
            "tojson": self._to_json,
        }
        tests: dict[str, Any] = dict(self.tests)
        self.tests = {name: self._bounded("sort", test) for name, test in tests.items()}
        del self.globals["lipsum"]
        self.globals["namespace"] = _Namespace
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = _now

    def compiled(self, template: str) -> Template:
        """Return the template, ready to render."""
        return self.from_string(template)

    @contextmanager
    def within(self, budget: Budget) -> Iterator[None]:
        """Charge what this thread renders to a budget."""
        self._running.budget = budget
        try:
            yield
        finally:
            del self._running.budget

    # what compiled templates call

    @property
    def step(self) -> None:
        """Charge a turn of a loop, or a call."""
        self._budget.step()

    def weighed(self, value: Any) -> Any:
        """Return a value of which every part is to be looked at."""
        if isinstance(value, list | tuple | dict | MappingView):
            self._budget.weigh(value)
        return value

    def concat(self, parts: Iterable[str]) -> str:
        """Join texts."""
        pieces = list(parts)
        self._budget.make(sum(map(len, pieces)))
        return kept("".join(pieces))

    def joined(self, values: Iterable[object]) -> str:
        """Join values as texts: the operator `~`."""
        return self.concat([str(self.weighed(value)) for value in values])

    def call(self, context: Context, function: Any, *args: Any, **options: Any) -> Any:
        """Call what a template calls."""
        self._budget.step()
        method = getattr(function, "__wrapped__", function)  # `format` comes wrapped
        owner = getattr(method, "__self__", None)
        if isinstance(owner, str):
            self._charge_method(method.__name__, owner, args, options)
        elif isinstance(owner, list | tuple | LoopContext):  # they may compare what they get
            self._budget.weigh((owner, args))
        elif isinstance(owner, int | float):
            raise SecurityError("numbers have no methods here")
        return kept(super().call(context, function, *args, **options))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Do arithmetic, but refuse what makes a small template a large text."""
        match operator:
            case "**":
                _refuse_power(left, right)
            case "*":
                _refuse_many(left, right)
            case "%" if isinstance(left, str):
                self._charge_format(left, (right,))
            case "+":
                left, right = _added(left, right), _added(right, left)
                if isinstance(left, _LONG) and isinstance(right, _LONG):
                    self._budget.make(len(left) + len(right))
        return kept(super().call_binop(context, operator, left, right))

    # what filters and methods are charged

    @property
    def _budget(self) -> Budget:
        """The budget of what this thread renders; one of its own for what compiling computes."""
        found: Budget | None = getattr(self._running, "budget", None)
        return found or Budget(1.0, MAX_REPEATED)

    def _bounded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def bounded(*args: Any, **options: Any) -> Any:
            budget = self._budget
            budget.step()
            for value in args:
                if isinstance(value, str):
                    budget.make(len(value))
                elif name in _WHOLE:
                    self.weighed(value)
            if name in _NUMBERS:
                args = tuple(map(plainly, args))
            return kept(function(*args, **options))

        return bounded

    def _charge_method(
        self, name: str, text: str, args: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        self._budget.make(len(text))
        if name in _PADDING:
            self._budget.make((1 + text.count("\t")) * _refuse_width(args[0] if args else 8))
        elif name == "replace" and len(args) > 1:
            self._charge_replace(text, *args[:2])
        elif name == "join" and args:
            self._budget.weigh(list(args[0]))
            self._budget.make(len(text) * len(args[0]))
        elif name in {"format", "format_map"}:
            self._charge_format(text, (*args, *options.values()), _WIDE_BRACES)
        elif name in _NEEDLESS:
            raise SecurityError(f"texts have no method {name!r} here")

    def _charge_replace(self, text: str, old: str, new: str) -> None:
        self._budget.make(len(text) + text.count(old) * len(new))

    def _charge_format(
        self, form: str, values: tuple[Any, ...], wide: re.Pattern[str] = _WIDE_PERCENT
    ) -> None:
        _refuse_wide(form, wide)
        for _ in range(1 + form.count("%") + form.count("{")):  # each may show all of them
            self._budget.weigh(values)

    def _format(self, form: str, *args: Any, **options: Any) -> str:
        self._charge_format(form, (*args, *options.values()))
        return kept(str(form) % (options or args))

    def _indent(
        self,
        text: str,
        width: int | str = 4,
        first: bool = False,
        blank: bool = False,  # as templates call it
    ) -> str:
        margin = width if isinstance(width, str) else " " * _refuse_width(width)
        lines = text.split("\n")
        self._budget.make(len(text) + len(margin) * len(lines))
        made = [margin + line if line.strip() or blank else line for line in lines]
        return kept("\n".join(made if first else [lines[0], *made[1:]]))

    def _join(self, values: Iterable[Any], between: str = "", attribute: Any = None) -> str:
        if attribute is not None:
            values = map(make_attrgetter(self, attribute), values)
        texts = [str(self.weighed(value)) for value in values]
        self._budget.make(sum(map(len, texts)) + len(between) * len(texts))
        return kept(str(between).join(texts))

    def _replace(self, text: Any, old: Any, new: Any, count: int = -1) -> str:
        text = self._string(text)
        self._charge_replace(text, str(old), str(new))
        return kept(text.replace(str(old), str(new), count))

    def _round(self, value: float, precision: int = 0, method: str = "common") -> float:
        _refuse_width(precision)
        if method == "common":
            return round(value, precision)
        scale = 10**precision
        whole = math.ceil if method == "ceil" else math.floor
        return float(whole(value * scale) / scale)

    def _string(self, value: Any) -> str:
        return kept(str(self.weighed(value)))

    def _to_json(
        self,
        value: object,
        ensure_ascii: bool = False,  # as templates call it
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        self._budget.weigh(value)
        text = json.dumps(
            plainly(value),
            ensure_ascii=ensure_ascii,
            indent=indent if indent is None else _refuse_width(indent),
            separators=separators,
            sort_keys=sort_keys,
        )
        self._budget.make(len(text))
        # Where something in it was said, all of it is: a mark of JSON is no control token.
        return Said.of(text) if _has_said(value) else text


class _Stepping(CodeGenerator):
    """Compiles templates so that they tell each step, and what every part of is looked at."""

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802  # Jinja's name
        node.body.insert(0, _step(node))
        super().visit_For(node, frame)

    def macro_body(self, node: Any, frame: Frame) -> Any:
        node.body.insert(0, _step(node))
        return super().macro_body(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802
        self.write("(environment.weighed(")
        self.visit(node.expr, frame)
        self.write(")")
        for operand in node.ops:
            self.visit(operand, frame)
        self.write(")")

    def visit_Operand(self, node: nodes.Operand, frame: Frame) -> None:  # noqa: N802
        self.write(f" {_OPERATORS[node.op]} environment.weighed(")
        self.visit(node.expr, frame)
        self.write(")")

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        made = node.ctx == "load"  # else it names what is assigned to
        self.write("environment.weighed(" if made else "")
        super().visit_Tuple(node, frame)
        self.write(")" if made else "")


_OPERATORS = {
    "eq": "==", "ne": "!=", "gt": ">", "gteq": ">=", "lt": "<", "lteq": "<=", "in": "in",
    "notin": "not in",
}  # fmt: skip


class _Namespace(Namespace):
    """A namespace that does not print what is in it."""

    def __repr__(self) -> str:
        return "<namespace>"


class _Generation(Extension):
    """The tag `generation`, which marks answers for those who train models: nothing here."""

    tags = {"generation"}  # noqa: RUF012  # Jinja's way

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """Leave out the tag, and keep what is in it."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _step(node: nodes.Node) -> nodes.Node:
    """Return a statement that looks at the property `step` of the environment."""
    return nodes.ExprStmt(nodes.EnvironmentAttribute("step"), lineno=node.lineno)


def _length(value: Any) -> int:
    return len(plain(value) if isinstance(value, str) else value)


def _added(one: Any, other: Any) -> Any:
    """Return the arguments of a call as their JSON where they are added to a text."""
    return one.text if isinstance(one, Arguments) and isinstance(other, str) else one


def _has_said(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_said, value)) or any(map(_has_said, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_has_said, value))
    return isinstance(kept(value), Said)


def _refuse_power(left: Any, right: Any) -> None:
    if abs(right) > MAX_POWER or (isinstance(left, int) and left.bit_length() * right > MAX_BITS):
        raise SecurityError(f"{right!r} is too large an exponent")


def _refuse_many(left: Any, right: Any) -> None:
    if max(_made(left, right), _made(right, left)) > MAX_REPEATED:
        raise SecurityError(f"more than {MAX_REPEATED:,} items are repeated")
    both = isinstance(left, int) and isinstance(right, int)
    if both and left.bit_length() + right.bit_length() > MAX_BITS:
        raise SecurityError(f"a number has more than {MAX_BITS:,} binary digits")


def _refuse_width(width: int) -> int:
    if abs(width) > MAX_WIDTH:
        raise SecurityError(f"a width of {width!r} is too large")
    return width


def _refuse_wide(form: str, wide: re.Pattern[str]) -> None:
    if wide.search(form):
        raise SecurityError(f"{form!r:.80} has a width that is too large")


def _made(items: Any, times: Any) -> int:
    return len(items) * times if isinstance(items, Sized) and isinstance(times, int) else 0


def _refuse(message: str) -> NoReturn:
    raise TemplateError(plain(str(message)))


def _now(form: str) -> str:
    _refuse_wide(form, _WIDE_PERCENT)
    return dt.datetime.now().astimezone().strftime(form)
