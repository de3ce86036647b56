"""The body of a request, from what Penstock asks to what a server understands."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from penstock.constraint import Constraint
from penstock.errors import Unsupported
from penstock.messages import Message
from penstock.request import Request, Sampling
from penstock.tools import as_tools

from penstock_openai.flavors import Flavor
from penstock_openai.learning import Manners
from penstock_openai.options import LoadOptions
from penstock_openai.strict import is_object, strict

__all__ = ["Json", "Speech"]

Json: TypeAlias = dict[str, Any]

_GUIDE_NAMES = {
    "json_schema": "schema",
    "regex": "regex",
    "choices": "choices",
    "grammar": "grammar",
}
_STRUCTURED = {"regex": "regex", "choices": "choice", "grammar": "grammar"}
_SPECIAL = re.compile(r"[][\\^$.|?*+(){}]")
_CHOICES = frozenset({"auto", "none", "required"})


class Speech:
    """Says requests as one server wants them said."""

    def __init__(self, model: str, flavor: Flavor, options: LoadOptions) -> None:
        self.manners = Manners.of(flavor)
        self._model = model
        self._flavor = flavor
        self._stream = options.stream
        self._fixed = _fixed(options)

    def path(self, request: Request) -> str:
        """Return where the request goes: conversations to chat, prompts to raw completion."""
        return "/chat/completions" if request.messages else "/completions"

    def body(self, request: Request) -> Json:
        """Return the body. Raises `Unsupported` for a constraint that cannot be said."""
        sampling = request.sampling
        body: Json = {"model": self._model, **self._fixed, **self._said(request)}
        for name, theirs in self._flavor.renamed.items():
            if (value := getattr(sampling, name)) is not None:
                body[theirs] = list(value) if isinstance(value, tuple) else value
        body.update(self._limit(request))
        body.update(self._biases(sampling))
        body.update(_logprobs(sampling, chat=bool(request.messages)))
        body.update(_tools(sampling))
        if sampling.constraint is not None:
            body.update(self._guide(sampling.constraint, chat=bool(request.messages)))
        return body

    def _said(self, request: Request) -> Json:
        said: Json = {"stream": self._stream}
        if self._stream and self.manners.counts:
            said["stream_options"] = {"include_usage": True}
        if request.messages:
            said["messages"] = [self._message(message) for message in request.messages]
        else:
            said["prompt"] = request.text
        return said

    def _message(self, message: Message) -> Json:
        role = self.manners.role if message.role == "system" else message.role
        said: Json = {"role": role, "content": message.content}
        if message.tool_call_id is not None:
            said["tool_call_id"] = message.tool_call_id
        if message.tool_calls:
            said["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in message.tool_calls
            ]
            said["content"] = message.content or None
        return said

    def _limit(self, request: Request) -> Json:
        most, flavor = request.sampling.max_tokens, self._flavor
        if request.messages:
            return {} if most is None else {self.manners.limit: most}
        if most is None and flavor.unlimited == "silence":
            return {}
        return {"max_tokens": flavor.unlimited if most is None else most}

    def _biases(self, sampling: Sampling) -> Json:
        if sampling.logit_bias is None:
            return {}
        biases = dict(sampling.logit_bias).items()
        if self._flavor.banned is False:  # llama-server's own form, in which False bans
            pairs = [[token, False if bias == -math.inf else bias] for token, bias in biases]
            return {"logit_bias": pairs}
        banned = self._flavor.banned
        return {"logit_bias": {str(t): banned if b == -math.inf else b for t, b in biases}}

    def _guide(self, constraint: Constraint, *, chat: bool) -> Json:
        name = _GUIDE_NAMES[constraint.kind]
        way = self._flavor.guides[name]
        if constraint.kind == "json_schema":
            return self._bound_by(_schema(constraint), way, chat=chat)
        if way == "structured_outputs":
            value = constraint.value
            given = list(value) if isinstance(value, tuple) else value
            return {"structured_outputs": {_STRUCTURED[name]: given}}
        if way == "regex":
            return {"regex": _regex(constraint)}
        return {("grammar" if way == "gbnf" else way): _gbnf(constraint)}

    def _bound_by(self, schema: Json, way: str, *, chat: bool) -> Json:
        if way == "json_object":  # llama-cpp-python's own form; raw completion has none
            if not chat:
                raise Unsupported("this server takes a schema in chats only")
            return {"response_format": {"type": "json_object", "schema": schema}}
        if way == "json_schema" and not chat:  # llama-server's raw completion has a field for it
            return {"json_schema": schema}
        return {"response_format": self._response_format(schema)}

    def _response_format(self, schema: Json) -> Json:
        if self._flavor.strict and not is_object(schema):
            raise Unsupported(
                "this server takes schemas of objects only",
                hint="Ask for an object with one field",
            )
        named: Json = {"name": "answer", "schema": schema}
        narrowed = strict(schema) if self.manners.strict else None
        if narrowed is not None:
            named |= {"schema": narrowed, "strict": True}
        return {"type": "json_schema", "json_schema": named}


def _fixed(options: LoadOptions) -> Json:
    """Return what every request says."""
    found: Json = {
        name: value
        for name in ("cache_prompt", "id_slot", "return_progress", "reasoning_effort")
        if (value := getattr(options, name)) is not None
    }
    if options.chat_template_kwargs is not None:
        found["chat_template_kwargs"] = json.loads(options.chat_template_kwargs)
    return found


def _logprobs(sampling: Sampling, *, chat: bool) -> Json:
    if sampling.logprobs is None:
        return {}
    if not chat:
        return {"logprobs": sampling.logprobs}
    if sampling.logprobs == 0:
        return {"logprobs": True}
    return {"logprobs": True, "top_logprobs": sampling.logprobs}


def _tools(sampling: Sampling) -> Json:
    said: Json = {}
    if sampling.tools is not None:
        said["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": json.loads(tool.parameters),
                },
            }
            for tool in as_tools(sampling.tools)
        ]
    choice = sampling.tool_choice
    if choice is not None:
        named = {"type": "function", "function": {"name": choice}}
        said["tool_choice"] = choice if choice in _CHOICES else named
    return said


def _schema(constraint: Constraint) -> Json:
    assert isinstance(constraint.value, str)
    schema: Json = json.loads(constraint.value)
    return schema


def _regex(constraint: Constraint) -> str:
    if isinstance(constraint.value, str):
        return constraint.value
    return "|".join(_SPECIAL.sub(r"\\\g<0>", choice) for choice in constraint.value)


def _gbnf(constraint: Constraint) -> str:
    if constraint.kind == "choices":
        return "root ::= " + " | ".join(_quoted(choice) for choice in constraint.value)
    if not constraint.is_gbnf:
        raise Unsupported(
            "this server takes grammars in GBNF only", hint="Write its rules with '::='"
        )
    return str(constraint.value)


def _quoted(choice: str) -> str:
    """Return a GBNF literal: only quotes, backslashes and controls need an escape."""
    return '"' + "".join(_escaped(choice)) + '"'


def _escaped(choice: str) -> Iterator[str]:
    for char in choice:
        if char in '"\\':
            yield "\\" + char
        elif char < " ":
            yield f"\\x{ord(char):02x}"
        else:
            yield char
