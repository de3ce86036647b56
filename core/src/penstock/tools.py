"""Tools a model may call, and its calls of them, whole or as they arrive."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from penstock.errors import UsageError
from penstock.values import dataclass

__all__ = ["Tool", "ToolCall", "ToolCallPart", "ToolLike", "as_tools", "calls_of"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may ask for.

    `parameters` is a JSON schema of an object, as JSON text: what it takes, by name.
    """

    name: str
    description: str = ""
    parameters: str = '{"type": "object", "properties": {}}'


ToolLike: TypeAlias = Tool | Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for. `arguments` is JSON text as it wrote it, checked by nobody."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A piece of a tool call, as it arrives: the pieces of one call have the same `index`.

    `id` and `name` are in the first piece of a call, and `arguments` is to be joined.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


def as_tools(tools: Iterable[ToolLike]) -> tuple[Tool, ...]:
    """Return `tools` as `Tool` values.

    Mappings have the keys `name`, `description` and `parameters` (a JSON schema as a mapping), or
    hold such a mapping under `function`, as chat APIs have it. Raises `UsageError` for others.
    """
    return tuple(_as_tool(tool) for tool in tools)


def calls_of(parts: Iterable[ToolCallPart]) -> tuple[ToolCall, ...]:
    """Join the pieces of calls, in the order in which the calls begin.

    Servers differ: an id or a name repeated with a piece changes nothing; another id under an index
    that is taken begins another call.
    """
    latest: dict[int, _Growing] = {}
    calls: list[_Growing] = []
    for part in parts:
        call = latest.get(part.index)
        if call is None or (part.id and call.id and part.id != call.id):
            call = latest[part.index] = _Growing()
            calls.append(call)
        call.add(part)
    return tuple(ToolCall(call.id, call.name, "".join(call.arguments)) for call in calls)


class _Growing:
    """A call of which more may come."""

    def __init__(self) -> None:
        self.id = self.name = ""
        self.arguments: list[str] = []

    def add(self, part: ToolCallPart) -> None:
        self.id = self.id or part.id
        self.name = self.name or part.name
        self.arguments.append(part.arguments)


def _as_tool(tool: object) -> Tool:
    if isinstance(tool, Tool):
        return _checked(tool, tool)
    inner = tool.get("function", tool) if isinstance(tool, Mapping) else None
    if not isinstance(inner, Mapping) or not set(inner) <= {"name", "description", "parameters"}:
        raise _not_a_tool(tool)
    parameters = inner.get("parameters", {"type": "object", "properties": {}})
    try:
        text = json.dumps(parameters, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise _not_a_tool(tool) from error
    return _checked(Tool(inner.get("name", ""), inner.get("description", ""), text), tool)


def _checked(tool: Tool, given: object) -> Tool:
    texts: Sequence[object] = (tool.name, tool.description, tool.parameters)
    if not tool.name or not all(isinstance(text, str) for text in texts):
        raise _not_a_tool(given)
    try:
        schema = json.loads(tool.parameters)
    except ValueError as error:
        raise _not_a_tool(given) from error
    if not isinstance(schema, dict):
        raise _not_a_tool(given)
    return tool


def _not_a_tool(tool: object) -> UsageError:
    return UsageError(
        f"{tool!r} is no tool",
        hint="A tool has a name, and may have a description and parameters, a JSON schema",
    )
