"""The wire: requests read from bytes, and replies framed into them. HTTP/1.1 and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import responses
from typing import Literal, TypeAlias

from penstock_openai.testing.replies import Reply, error

__all__ = ["Framing", "Received", "Refused", "framed", "framing_of", "head_of", "stays", "take"]

Framing: TypeAlias = Literal["chunks", "length", "own"]

HEAD_END = b"\r\n\r\n"
MOST_HEAD = 65536
TARGETS = ("/", "http://")
"""How the target of a request begins, of a proxy's client too, which names the whole address."""
FRAMERS = {"content-length", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Received:
    """A request, as it came.

    path     without the query; the whole address, where the server is used as a proxy
    query    what follows the `?`, undecoded
    headers  under their names in lower case
    body     the JSON in it; None if there is none
    raw      the bytes of the body
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: object
    raw: bytes


class Refused(Exception):
    """The bytes are no request that is understood; `reply` says so to the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.reply = error(status, message)


def take(buffer: bytearray) -> Received | None:
    """Take one request off the buffer; None, and nothing taken, while a part of it is missing.

    Raises `Refused` for bytes that are not one.
    """
    end = buffer.find(HEAD_END)
    if end < 0:
        if len(buffer) > MOST_HEAD:
            raise Refused(400, "The head of the request has no end")
        return None
    method, target, headers = _head(buffer[:end].decode("latin-1"))
    begin = end + len(HEAD_END)
    stop = begin + _size(headers)
    if len(buffer) < stop:
        return None
    raw = bytes(buffer[begin:stop])
    del buffer[:stop]
    path, _, query = target.partition("?")
    return Received(method, path, query, headers, _json(raw), raw)


def stays(headers: Mapping[str, str]) -> bool:
    """Whether who sent these headers wants the connection to go on."""
    return "close" not in headers.get("connection", "").lower()


def framing_of(reply: Reply) -> Framing:
    """Return what tells the client where the body ends; "own" is up to the reply."""
    if FRAMERS & {name.lower() for name, _ in reply.headers}:
        return "own"
    return "length" if reply.length else "chunks"


def head_of(reply: Reply, *, keep: bool) -> bytes:
    """Return the head of a reply, with what frames its body."""
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in (*reply.headers, *_framers(reply))]
    if not keep:
        lines.append("connection: close")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def framed(data: bytes, framing: Framing) -> bytes:
    """Return bytes of a body as they go out; without bytes there is no chunk, as that would end."""
    if framing == "chunks" and data:
        return b"%x\r\n%b\r\n" % (len(data), data)
    return data


def _framers(reply: Reply) -> list[tuple[str, str]]:
    match framing_of(reply):
        case "chunks":
            return [("transfer-encoding", "chunked")]
        case "length":
            return [("content-length", str(len(reply.body)))]
        case "own":
            return []


def _head(head: str) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.split("\r\n")
    match first.split(" "):
        case [method, target, "HTTP/1.1"] if method.isalpha() and target.startswith(TARGETS):
            return method, target, _headers(lines)
        case _:
            raise Refused(400, f"This is no request in HTTP/1.1: {first[:80]!r}")


def _headers(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Refused(400, f"This is no header: {line[:80]!r}")
        known = found.get(name.lower())
        found[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
    return found


def _size(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise Refused(411, "Send the body with a Content-Length")
    size = headers.get("content-length", "0")
    if not (size.isascii() and size.isdigit()):
        raise Refused(400, f"This is no Content-Length: {size[:80]!r}")
    return int(size)


def _json(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except ValueError:
        return None
