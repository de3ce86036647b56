"""Replies: what a fault server answers, as values, and the shapes of the OpenAI dialect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from json import JSONEncoder
from typing import TypeAlias

__all__ = [
    "Cut",
    "Json",
    "Pause",
    "Reply",
    "Reset",
    "Send",
    "Stall",
    "Step",
    "completion_text",
    "error",
    "error_body",
    "event",
    "finish",
    "json_reply",
    "role",
    "stream",
    "text",
    "text_reply",
    "usage",
    "usage_body",
    "whole_chat",
    "whole_completion",
]

Json: TypeAlias = dict[str, object]
Headers: TypeAlias = tuple[tuple[str, str], ...]

CREATED = 1_700_000_000
EVENT_STREAM: Headers = (("content-type", "text/event-stream"),)

_compact = JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Send:
    """A step of a reply: send these bytes, and wait until the kernel has taken them."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a reply: wait so many seconds, or until the client goes away."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """A step of a reply: send nothing any more, until the client goes away."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A step of a reply: reset the connection, which the client sees as an error of its socket."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A step of a reply: close the connection here, though the body has not come to its end."""


Step: TypeAlias = Send | Pause | Stall | Reset | Cut


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, step by step.

    status, headers  as they are sent; the header that frames the body is added to them
    steps            what happens after the head
    length           announce the size of all that is to be sent; else each `Send` is a chunk
    before           seconds until the head

    Headers that frame the body themselves (`content-length`, `transfer-encoding`) turn framing off:
    the bytes go out as they are, right or wrong, and the connection closes behind them.
    """

    status: int = 200
    headers: Headers = EVENT_STREAM
    steps: tuple[Step, ...] = ()
    length: bool = False
    before: float = 0.0

    @property
    def body(self) -> bytes:
        """All that is sent behind the head, unless a step ends it before."""
        return b"".join(step.data for step in self.steps if isinstance(step, Send))


def stream(*chunks: Mapping[str, object] | bytes, done: bool = True, pace: float = 0.0) -> Reply:
    """Stream events, `pace` seconds apart: mappings as JSON, bytes just as they are.

    Without `done`, the `[DONE]` that ends a stream is missing.
    """
    datas = [chunk if isinstance(chunk, bytes) else event(chunk) for chunk in chunks]
    if done:
        datas.append(b"data: [DONE]\n\n")
    return Reply(steps=tuple(_paced(datas, pace)))


def json_reply(body: object, status: int = 200, headers: Headers = ()) -> Reply:
    """Answer with one JSON value."""
    content = ("content-type", "application/json")
    return Reply(status, (content, *headers), (Send(_compact(body).encode()),), length=True)


def text_reply(text: str, content_type: str, status: int = 200) -> Reply:
    """Answer with a text of any type, as a proxy that knows nothing of the dialect does."""
    return Reply(status, (("content-type", content_type),), (Send(text.encode()),), length=True)


def error(
    status: int,
    message: str,
    code: str | int | None = None,
    type: str | None = None,  # noqa: A002  # the dialect's own name
    param: str | None = None,
    headers: Headers = (),
) -> Reply:
    """Refuse, in the dialect's own shape; without a `type`, the status tells it."""
    type = type or ("invalid_request_error" if status < 500 else "server_error")  # noqa: A001
    return json_reply(error_body(message, code, type, param), status, headers)


def error_body(
    message: str,
    code: str | int | None = None,
    type: str | None = None,  # noqa: A002  # the dialect's own name
    param: str | None = None,
) -> Json:
    """Return what a refusal holds; sent as an event, it is a failure in the midst of a stream."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def event(chunk: Mapping[str, object]) -> bytes:
    """Return a chunk as an event of a stream."""
    return f"data: {_compact(chunk)}\n\n".encode()


def role() -> Json:
    """Return the chunk that opens an answer in a chat."""
    return _chat_chunk({"role": "assistant", "content": ""})


def text(content: str, *, logprobs: Json | None = None, **more: object) -> Json:
    """Return a chunk of text; `more` goes beside it, into the delta."""
    return _chat_chunk({"content": content, **more}, logprobs=logprobs)


def finish(reason: str = "stop") -> Json:
    """Return the chunk that says why an answer in a chat ended."""
    return _chat_chunk({}, reason)


def usage(prompt: int, completion: int, **more: object) -> Json:
    """Return the chunk without choices that tells the tokens used; `more` goes beside them."""
    known = {"usage": usage_body(prompt, completion, **more)}
    return _object("chat.completion.chunk", choices=[]) | known


def completion_text(
    content: str, finish_reason: str | None = None, *, logprobs: Json | None = None
) -> Json:
    """Return a chunk of a completion without a chat."""
    return _object("text_completion", choices=[_said(content, finish_reason, logprobs)])


def whole_chat(content: str, finish_reason: str = "stop", tokens: tuple[int, int] = (0, 0)) -> Json:
    """Return the whole of an answer in a chat; `tokens` are those of the prompt and its own."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    return _object("chat.completion", choices=[choice]) | {"usage": usage_body(*tokens)}


def whole_completion(
    content: str, finish_reason: str = "stop", tokens: tuple[int, int] = (0, 0)
) -> Json:
    """Return the whole of a completion; `tokens` are those of the prompt and its own."""
    return completion_text(content, finish_reason) | {"usage": usage_body(*tokens)}


def usage_body(prompt: int, completion: int, **more: object) -> Json:
    """Return the tokens used; `more` goes beside them."""
    total = prompt + completion
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    return counts | more


def _paced(datas: Iterable[bytes], pace: float) -> Iterator[Step]:
    for at, data in enumerate(datas):
        if at and pace:
            yield Pause(pace)
        yield Send(data)


def _object(kind: str, choices: list[Json]) -> Json:
    known = "cmpl-1" if kind == "text_completion" else "chatcmpl-1"
    return {"id": known, "object": kind, "created": CREATED, "model": "echo", "choices": choices}


def _chat_chunk(delta: Json, reason: str | None = None, *, logprobs: Json | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
    return _object("chat.completion.chunk", choices=[choice])


def _said(content: str, reason: str | None, logprobs: Json | None) -> Json:
    return {"index": 0, "text": content, "logprobs": logprobs, "finish_reason": reason}
