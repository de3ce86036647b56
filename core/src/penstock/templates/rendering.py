"""Chat templates: Jinja in a sandbox, rendered to marked segments.

What a message says is moved out of the way of the template before rendering, so that control tokens
come from the template alone; see `penstock.templates.said`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from penstock.errors import InvalidModel, PenstockError, Unsupported, UsageError
from penstock.messages import Message, Segment
from penstock.templates.said import Arguments, Said, moved, plain, segments
from penstock.tools import Tool, ToolCall

__all__ = ["MAX_PROMPT_CHARS", "MAX_RENDER_SECONDS", "knows_tools", "render"]

MAX_PROMPT_CHARS = 16_000_000
"""Characters a rendered prompt may have; a template that makes more is refused."""

MAX_RENDER_SECONDS = 5.0
"""Seconds of a processor that rendering may take; a template that takes more is stopped."""

MAX_TEMPLATE_CHARS = 1_000_000
"""Characters a template may have. The largest that are known have 20,000."""

_INSTEAD = "Use complete() with a prompt of your own"
_TOOLS = re.compile(r"\btools\b")


def knows_tools(template: str) -> bool:
    """Whether a template looks at the tools it is given."""
    return _TOOLS.search(template) is not None


def render(
    template: str,
    messages: Sequence[Message],
    *,
    bos_token: str = "",
    eos_token: str = "",
    tools: Sequence[Tool] = (),
) -> tuple[Segment, ...]:
    """Return the prompt for the next answer in this conversation.

    Raises `InvalidModel` for a template that cannot be compiled or run, `UsageError` where it
    refuses these messages (a role it does not know, a wrong order) or takes more than it may, and
    `Unsupported` where it does not show tools, calls of them, or results.
    """
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    values: dict[str, Any] = {
        "add_generation_prompt": True,
        "bos_token": bos_token,
        "eos_token": eos_token,
        "tools": [_of_tool(tool) for tool in tools] or None,
        "documents": None,
    }
    lost = failure = None
    for silence in _silences(messages):
        values["messages"] = [_of_message(message, names, silence) for message in messages]
        try:
            text = _run(template, values)
        except PenstockError as error:
            failure = failure or error
            continue
        lost = _lost(plain(text), messages, tools)
        if lost is None:
            return tuple(segments(text))
    if lost is None and failure is not None:  # where it ran once, that says more
        raise failure
    raise Unsupported(
        f"the model's chat template does not show {lost}",
        hint="Use a model that was trained for it",
    )


def _silences(messages: Sequence[Message]) -> tuple[str | None, ...]:
    """Return how to put that an answer has calls and no text: some templates want None for it."""
    silent = any(message.tool_calls and not message.content for message in messages)
    return ("", None) if silent else ("",)


def _run(template: str, values: dict[str, Any]) -> str:
    import jinja2

    from penstock.templates.budget import Budget, Spent

    try:
        sandbox, compiled = _compiled(template)
        with sandbox.within(Budget(MAX_RENDER_SECONDS, MAX_PROMPT_CHARS)):
            return _bounded(compiled.generate(values))
    except jinja2.TemplateSyntaxError as error:
        raise InvalidModel(
            f"the model's chat template is not valid Jinja: {error}",
            hint=_INSTEAD,
        ) from error
    except jinja2.TemplateError as error:
        raise UsageError(
            f"the model's chat template refuses these messages: {plain(str(error))}"
        ) from error
    except Spent as error:
        raise UsageError(f"the model's chat template {error}", hint=_INSTEAD) from error
    except PenstockError:
        raise
    except Exception as error:  # a template is a program: it may divide by zero
        raise InvalidModel(
            f"the model's chat template fails: {plain(repr(error))}", hint=_INSTEAD
        ) from error


@lru_cache(maxsize=32)
def _compiled(template: str) -> tuple[Any, Any]:  # of jinja2's, which is imported on first use
    from penstock.templates.sandbox import Sandbox

    if len(template) > MAX_TEMPLATE_CHARS:
        raise InvalidModel(
            f"the model's chat template has {len(template):,} characters", hint=_INSTEAD
        )
    sandbox = Sandbox()
    return sandbox, sandbox.compiled(template)


def _bounded(pieces: Iterator[str]) -> str:
    parts, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_PROMPT_CHARS:
            raise UsageError(f"the chat template makes more than {MAX_PROMPT_CHARS} characters")
        parts.append(piece)
    return "".join(parts)


# what templates are given, in the form in which chat APIs have it


def _of_message(message: Message, names: dict[str, str], silence: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"role": message.role, "content": Said.of(message.content)}
    if message.tool_calls:
        told["tool_calls"] = [_of_call(call) for call in message.tool_calls]
        if not message.content:
            told["content"] = silence
    if message.tool_call_id is not None:
        told["tool_call_id"] = Said.of(message.tool_call_id)
        if message.tool_call_id in names:
            told["name"] = Said.of(names[message.tool_call_id])
    return told


def _of_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": Said.of(call.name), "arguments": _arguments(call.arguments)}
    return {"id": Said.of(call.id), "type": "function", "function": function}


def _arguments(text: str) -> Arguments | Said:
    try:
        values = json.loads(text)
        return Arguments(text, values) if isinstance(values, dict) else Said.of(text)
    except (ValueError, RecursionError):  # as the model wrote it: it may be anything
        return Said.of(text)


def _of_tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": Said.of(tool.name),
        "description": Said.of(tool.description),
        "parameters": moved(json.loads(tool.parameters)),
    }
    return {"type": "function", "function": function}


def _lost(text: str, messages: Sequence[Message], tools: Sequence[Tool]) -> str | None:
    """Return what of tools is not in a prompt, for people; None: all of it is."""
    for tool in tools:
        if tool.name not in text:
            return f"the tool {tool.name!r}"
    for message in messages:
        for call in message.tool_calls:
            if call.name not in text:
                return f"the call of the tool {call.name!r}"
        if message.role == "tool" and not _shows(text, message.content.strip()):
            return f"the result {message.content!r:.80} of a tool"
    return None


def _shows(text: str, said: str) -> bool:
    """Whether a prompt shows a text, as it is or as JSON has it."""
    return said in text or json.dumps(said, ensure_ascii=False)[1:-1] in text
