"""The chat templates of well-known models, and how another reads them.

They are in the sources of llama-cpp-python; `tests/fetch_templates.py` takes them out of there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from penstock.messages import Message
from penstock.tools import Tool

ROOT = Path(__file__).parents[2]
FOLDERS = sorted((ROOT / ".build" / "templates").glob("*/"))
FILES = sorted(FOLDERS[-1].glob("*.jinja")) if FOLDERS else []
MISSING = (
    "the templates of llama.cpp are not here: run tests/fetch_templates.py, as `make test` does"
)

TOOL = Tool(
    "weather",
    "Tells the weather",
    json.dumps(
        {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Where"}},
            "required": ["city"],
        }
    ),
)


def required() -> bool:
    """Whether tests fail without the templates, as in continuous integration."""
    return os.environ.get("PENSTOCK_TEMPLATES") == "required"


def real(name: str) -> str:
    """Return the template of a file, or skip the test."""
    for file in FILES:
        if file.stem == name:
            return file.read_text(encoding="utf-8")
    assert not required(), MISSING
    pytest.skip(MISSING)


def reference(
    template: str,
    messages: Sequence[Message],
    *,
    tools: Sequence[Tool] = (),
    silence: str | None = "",
    as_text: bool = False,
    **extra: str,
) -> str:
    """Render as transformers' `apply_chat_template` does. Raises whatever the template raises."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    return compiled(template).render(
        messages=[described(message, names, silence, as_text) for message in messages],
        tools=[function(tool) for tool in tools] or None,
        documents=None,
        add_generation_prompt=True,
        bos_token="<s>",
        eos_token="</s>",
        **extra,
    )


@lru_cache(maxsize=2)
def compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation]
    )
    environment.filters["tojson"] = to_json
    environment.filters["safe"] = str  # else it would escape what it is joined with, as HTML
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
    return environment.from_string(template)


def described(
    message: Message, names: dict[str, str], silence: str | None, as_text: bool
) -> dict[str, Any]:
    told: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        told["content"] = message.content or silence
        told["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.arguments if as_text else json.loads(call.arguments),
                },
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        told |= {"tool_call_id": message.tool_call_id, "name": names[message.tool_call_id]}
    return told


def function(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": json.loads(tool.parameters),
        },
    }


def to_json(value: Any, ensure_ascii=False, indent=None, separators=None, sort_keys=False) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def refuse(message: str) -> None:
    raise TemplateError(message)


class Generation(Extension):
    tags = frozenset({"generation"})

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.Scope(body, lineno=line)
