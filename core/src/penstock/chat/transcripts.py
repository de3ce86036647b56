"""Transcripts: conversations in files."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from penstock.chat.turns import turns_of
from penstock.errors import LoadError, PenstockError, UsageError
from penstock.messages import Message, as_messages
from penstock.tools import ToolCall
from penstock.values import dataclass

__all__ = ["Transcript", "read", "state_path", "write"]

FORMAT = "penstock chat"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A conversation as it is kept.

    messages  all that was said
    left_out  how many turns `instead` stands for
    instead   a summary of these turns
    model     the name of the model it was held with
    state     the name of the file beside it that has the engine's state
    """

    messages: tuple[Message, ...]
    left_out: int = 0
    instead: tuple[Message, ...] = ()
    model: str = ""
    state: str | None = None


def state_path(path: Path) -> Path:
    """Return where the engine's state of a transcript at `path` is.

    Raises `UsageError` for a path without the name of a file.
    """
    if not path.name:
        raise UsageError(f"{str(path)!r} is no file that can be written", hint="Check the path")
    return path.with_name(f"{path.name}.state")


def write(path: Path, transcript: Transcript) -> None:
    """Write a transcript; what was at `path` before is there until the new one is whole.

    Where `path` is a link, what it leads to is replaced. Raises `UsageError` where it cannot be
    written, or is there and no file: a device would be gone for good.
    """
    text = _text(_described(transcript))
    part: Path | None = None
    try:
        target = _replaceable(path)
        with NamedTemporaryFile(dir=target.parent, prefix=f".{path.name}.", delete=False) as file:
            part = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except (OSError, RuntimeError, ValueError) as error:  # also of links in a ring, and of a NUL
        if part is not None:
            part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{str(path)!r} cannot be written: {reason}", hint="Check the path"
        ) from error


def _replaceable(path: Path) -> Path:
    target = path.resolve()
    if target.is_symlink():  # of a ring, which later Pythons leave as it is
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    _refuse_devices(target)
    return target


def _refuse_devices(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise OSError("it is there, and no file")


def read(path: Path) -> Transcript:
    """Return the transcript at `path`.

    Raises `LoadError`, naming the file, where there is none, it is damaged, or of another kind or
    version, and where it is no file: a pipe or a device may never end.
    """
    try:
        _refuse_devices(path)
        told = json.loads(path.read_bytes())
    except OSError as error:
        raise LoadError(
            f"{str(path)!r} cannot be read: {error.strerror or error}", hint="Check the path"
        ) from error
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{str(path)!r} is no saved chat: it is not JSON, or cut off") from error
    _refuse_foreign(path, told)
    try:
        return _transcript(told)
    except (KeyError, TypeError, ValueError, AttributeError, PenstockError) as error:
        raise LoadError(f"{str(path)!r} is damaged: {error!r}") from error


def _refuse_foreign(path: Path, told: object) -> None:
    if not isinstance(told, Mapping) or told.get("format") != FORMAT:
        raise LoadError(f"{str(path)!r} is no saved chat", hint="Chat.save makes them")
    version = told.get("version")
    if version != VERSION or isinstance(version, bool):
        raise LoadError(
            f"{str(path)!r} is a saved chat of version {version!r}; this release reads {VERSION}",
            hint="Use the release of Penstock that saved it, or a newer one",
        )


def _text(described: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(described, ensure_ascii=False, indent=1).encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair can only be escaped
        return json.dumps(described, indent=1).encode("utf-8")


def _described(transcript: Transcript) -> dict[str, Any]:
    told: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "model": transcript.model,
        "messages": [_of_message(message) for message in transcript.messages],
    }
    if transcript.instead:
        said = [_of_message(message) for message in transcript.instead]
        told["summary"] = {"turns": transcript.left_out, "messages": said}
    if transcript.state is not None:
        told["state"] = transcript.state
    return told


def _of_message(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        told["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": call.arguments}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        told["tool_call_id"] = message.tool_call_id
    return told


def _transcript(told: Mapping[str, Any]) -> Transcript:
    summary = told.get("summary") or {"turns": 0, "messages": []}
    state = told.get("state")
    if state is not None and not _is_name(state):  # beside it, no other
        raise ValueError(f"the state is in {state!r}")
    messages, turns = _messages(told["messages"]), summary["turns"]
    # Of more turns than there are, it would stand for what is asked next.
    if not isinstance(turns, int) or not 0 <= turns <= len(turns_of(messages)):
        raise ValueError(f"the summary is of {turns!r} turns")
    return Transcript(
        messages=messages,
        left_out=turns,
        instead=_messages(summary["messages"]),
        model=str(told.get("model", "")),
        state=state,
    )


def _is_name(state: str) -> bool:
    return bool(state) and "\0" not in state and Path(state).name == state


def _messages(told: object) -> tuple[Message, ...]:
    if not isinstance(told, list):
        raise TypeError(f"{told!r:.200} are no messages")
    if not told:
        return ()
    return as_messages({**one, "tool_calls": _calls(one.get("tool_calls", ()))} for one in told)


def _calls(told: Any) -> tuple[ToolCall, ...]:
    calls = tuple(ToolCall(one["id"], one["name"], one["arguments"]) for one in told)
    for call in calls:
        if not all(isinstance(part, str) for part in (call.id, call.name, call.arguments)):
            raise TypeError(f"{call!r:.200} is no call of a tool")
    return calls
