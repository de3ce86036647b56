"""`penstock render`: the exact prompt that a conversation becomes."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from penstock.cli import options
from penstock.cli.opening import Opening
from penstock.cli.records import Form, form_of, write_json
from penstock.cli.rendered import Rendered, rendered
from penstock.cli.status import OK
from penstock.cli.tables import show_table
from penstock.cli.terminal import harmless, is_screen, readable
from penstock.errors import UsageError
from penstock.messages import Message, Segment, as_messages
from penstock.tools import ToolCall

__all__ = ["render"]


def render(
    message: Annotated[
        str | None,
        typer.Argument(metavar="MESSAGE", help="What the user says; - reads it from stdin."),
    ] = None,
    system: options.System = None,
    messages: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The messages before: a JSON array, or what /save wrote; - is stdin.",
        ),
    ] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Show each token too.")] = False,
    model: options.Target = None,
    option: options.Options = None,
    device: options.Device = None,
    as_json: options.Json = False,
    as_jsonl: options.JsonLines = False,
    quiet: options.Quiet = False,
) -> int:
    """Show the prompt that MESSAGE becomes, after the model's template, and who puts BOS there.

    On a terminal, what the model reads as control tokens is marked.
    """
    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    said = _conversation(message, system, messages)
    opening = Opening(device=device, options=options.load_options(option), quiet=quiet)
    with opening.opened(model) as ready:
        prompt = rendered(ready, said, ids=ids)
    if form == "text":
        _show(prompt, ids=ids, quiet=quiet)
    else:
        _write(prompt, form)
    return OK


def _conversation(
    message: str | None, system: str | None, messages: str | None
) -> tuple[Message, ...]:
    said = [] if system is None else [Message("system", readable(system))]
    said += [] if messages is None else _from_file(messages)
    said += [] if message is None else [Message("user", options.argument_text(message))]
    if not said:
        raise UsageError("there is nothing to render", hint="Give a MESSAGE, or --messages FILE")
    return tuple(said)


def _from_file(path: str) -> list[Message]:
    try:
        found = json.loads(options.file_text(path))
    except ValueError as error:
        raise UsageError(f"--messages {path!r} is no JSON: {error}") from error
    saved = found.get("messages") if isinstance(found, dict) else found
    if not isinstance(saved, list):
        raise UsageError(
            f"--messages {path!r} holds no array", hint="Give role and content of each"
        )
    return list(as_messages(map(_told, saved)))


def _told(message: Any) -> Any:
    """Return a message from JSON with its calls of tools as values."""
    if not isinstance(message, dict) or "tool_calls" not in message:
        return message
    try:
        return message | {"tool_calls": [_call(call) for call in message["tool_calls"]]}
    except (AttributeError, KeyError, TypeError) as error:
        hint = "A call has an id, and name and arguments, or those under `function`"
        raise UsageError(f"these are no calls of tools: {message!r}", hint=hint) from error


def _call(told: dict[str, Any]) -> ToolCall:
    inner = told.get("function", told)
    return ToolCall(told["id"], inner["name"], inner["arguments"])


def _show(prompt: Rendered, *, ids: bool, quiet: bool) -> None:
    screen = is_screen(sys.stdout)
    for segment in prompt.segments:
        sys.stdout.write(_marked(segment) if screen else segment.text)
    if (screen or ids) and not prompt.text.endswith("\n"):
        sys.stdout.write("\n")
    if prompt.pieces and prompt.tokens is not None:
        rows = [(str(piece.id), piece.shown()) for piece in prompt.tokens]
        show_table(["Id", "Piece"], rows)
    sys.stdout.flush()
    if not quiet:
        sys.stderr.write(f"[{prompt.figures()}]\n")


def _marked(segment: Segment) -> str:
    """Return what a screen shows: control segments with their colours swapped, line by line."""
    if not segment.control:
        return harmless(segment.text)
    lines = harmless(segment.text).split("\n")
    return "\n".join(f"\x1b[7m{line}\x1b[27m" if line else "" for line in lines)


def _write(prompt: Rendered, form: Form) -> None:
    if form == "json":
        write_json(prompt.record())
        return
    for segment in prompt.segments:
        write_json({"text": segment.text, "control": segment.control})
    for record in prompt.piece_records():
        write_json(record)
    write_json({"bos": prompt.bos_record()})
