"""Exchange: one request, its answer as it comes, and the end of both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from time import perf_counter
from typing import Any, Final

import anyio
import httpx2
import jiter
from penstock.errors import IncompleteStream, MalformedAnswer, PenstockError, ServerFailed
from penstock.events import Delta, EngineEvent, Finish
from penstock.request import Request

from penstock_openai.answer import Answer
from penstock_openai.body import Json
from penstock_openai.connection import Connection, transport_error
from penstock_openai.faults import Fault, fault_in
from penstock_openai.sse import Event, EventParser
from penstock_openai.validity import Check, check_of

__all__ = ["Exchange"]

SETTLE: Final = 2.0
"""Seconds to wait for usage and `[DONE]` once the server has said why it ends."""

DRAIN: Final = 0.05
"""Seconds to wait for the end of a body that is over, so that its connection can be used again."""

_DONE: Final = b"[DONE]"
_SHOWN: Final = 120
"""Bytes of an answer that an error shows."""


class Exchange:
    """What one request brings. `open`, then `read` until None, then `aclose`, always."""

    def __init__(self, connection: Connection, request: Request, *, incomplete: bool) -> None:
        self._connection = connection
        self._incomplete = incomplete
        self._limit = request.sampling.max_tokens
        self._check: Check | None = check_of(request.sampling.constraint)
        self._parser = EventParser()
        self._answer = Answer({})
        self._response: httpx2.Response | None = None
        self._bytes: AsyncIterator[bytes] | None = None
        self._error: PenstockError | None = None
        self._done = False
        self._over = False

    async def open(self, path: str, body: Json) -> None:
        """Send the request, and wait for the head of the answer. Raises as `Connection.open`."""
        response = self._response = await self._connection.open(path, body)
        self._bytes = response.aiter_bytes()
        request_id = response.headers.get("x-request-id")
        self._answer = Answer({} if request_id is None else {"request_id": request_id})

    async def read(self) -> list[EngineEvent] | None:
        """Return the events in what arrives next, perhaps none; None once all were given.

        Raises what is wrong with the answer, and what broke the connection.
        """
        if self._error is not None:
            raise self._error
        if self._over:
            return None
        if not self._streams:
            return await self._read_whole()
        data = await self._next()
        if data is None:
            return self._at_end()
        return self._taken(self._fed(data))

    async def aclose(self) -> None:
        """Let go of the server: it sees the disconnect, or keeps the connection after its end."""
        if self._response is None:
            return
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(DRAIN if self._done else 0):
                await self._drain()
            await self._response.aclose()

    @property
    def _streams(self) -> bool:
        return self._kind not in {"application/json", "text/html", "text/plain", "application/xml"}

    @property
    def _kind(self) -> str:
        assert self._response is not None
        kind: str = self._response.headers.get("content-type", "")
        return kind.partition(";")[0].strip().lower()

    async def _next(self) -> bytes | None:
        """Return the next bytes; None at the end, and once the server has no more to say."""
        assert self._bytes is not None
        try:
            if self._answer.reason is None:
                return await anext(self._bytes, None)
            with anyio.move_on_after(SETTLE):
                return await anext(self._bytes, None)
        except httpx2.RequestError as error:
            if self._answer.reason is None:
                raise transport_error(error) from error
        return None

    def _fed(self, data: bytes) -> list[Event]:
        try:
            return self._parser.feed(data)
        except ValueError as error:
            raise MalformedAnswer(f"the server sent {error}") from error

    def _taken(self, events: list[Event]) -> list[EngineEvent]:
        """Return what events mean; what is wrong in one is raised after those before it."""
        out: list[EngineEvent] = []
        try:
            self._take(events, out)
        except PenstockError as error:
            self._error = error
        return self._ended(out) if self._done else self._within(out)

    def _take(self, events: list[Event], out: list[EngineEvent]) -> None:
        at = perf_counter()
        answer = self._answer
        for name, data in events:
            if data.startswith(_DONE):
                self._done = True
                return
            for chunk in _objects(data):
                if name or "error" in chunk or "choices" not in chunk:
                    self._refuse(chunk, name)
                answer.take(chunk, at, out)

    def _at_end(self) -> list[EngineEvent]:
        out = self._taken(self._parser.flush())
        return out if self._over or self._error is not None else self._ended(out)

    async def _read_whole(self) -> list[EngineEvent]:
        """Read an answer that is no stream: a whole completion, or something else altogether."""
        assert self._response is not None
        try:
            text = await self._response.aread()
        except httpx2.RequestError as error:
            raise transport_error(error) from error
        found = _parsed(text) if self._kind == "application/json" else None
        if not isinstance(found, Mapping):
            raise MalformedAnswer(
                f"the server answered with {self._kind or 'something'} that is no completion: "
                f"{self._connection.hidden(_beginning(text))!r}",
                hint="Check the option 'base_url': it usually ends with /v1",
                status=self._response.status_code,
            )
        self._refuse(found, b"")
        out: list[EngineEvent] = []
        self._answer.take(found, perf_counter(), out)
        self._done = True
        return self._ended(out)

    def _refuse(self, chunk: Mapping[str, Any], event: bytes) -> None:
        """Raise what a server says went wrong while it answered."""
        fault: Fault | None = fault_in(chunk, event if event == b"error" else b"")
        if fault is not None:
            assert self._response is not None
            raise self._connection.told(fault, None, self._response.headers)

    def _ended(self, out: list[EngineEvent]) -> list[EngineEvent]:
        """Add the end to the last events; an error is raised behind them."""
        out = self._within(out)
        if not self._over:
            self._over = True
            self._error = self._wrong()
            if self._error is None:
                out.extend(self._answer.finish())
        return out

    def _wrong(self) -> PenstockError | None:
        """Return what is wrong with an answer that has come to its end, if anything is."""
        answer = self._answer
        if answer.reason == "error":
            return ServerFailed(f"the server gave up: {answer.raw!r}")
        if answer.reason is None and not self._done and not self._incomplete:
            return IncompleteStream(
                "the server's answer stopped without saying that this was its end",
                hint="Where that is normal for a server, set the option 'allow_incomplete'",
            )
        if not answer.begun:
            return MalformedAnswer("the server's answer has no choice in it")
        if self._check is not None and answer.reason == "stop":
            return self._check.verdict()
        return None

    def _within(self, out: list[EngineEvent]) -> list[EngineEvent]:
        """Keep to `max_tokens` where the server does not; note the text where it is checked."""
        if self._check is not None:
            for event in out:
                if isinstance(event, Delta):
                    self._check.add(event.text)
        if self._limit is not None and self._answer.tokens > self._limit:
            self._over = True
            return _cut(out, self._answer.tokens - self._limit)
        return out

    async def _drain(self) -> None:
        """Read to the end, or until cancelled.

        Either ends the client's generators, which are several within each other: one that is only
        dropped would be complained of by trio.
        """
        assert self._bytes is not None
        with suppress(httpx2.RequestError):
            async for _ in self._bytes:
                continue


def _cut(out: list[EngineEvent], surplus: int) -> list[EngineEvent]:
    """Take the last deltas out, as many as hold `surplus` tokens, and end there."""
    while surplus > 0 and out:
        event = out.pop()
        if isinstance(event, Delta):
            surplus -= event.tokens
    return [*out, Finish("length")]


def _objects(data: bytes) -> list[Mapping[str, Any]]:
    """Return the objects in the data of an event: one, unless blank lines were left out.

    Raises `MalformedAnswer` for broken JSON. What is JSON but no object, as a few servers send to
    keep a connection awake, says nothing.
    """
    try:
        found = jiter.from_json(data, cache_mode="keys")
    except ValueError:
        return _with_patience(data)
    return [found] if isinstance(found, dict) else []


def _with_patience(data: bytes) -> list[Mapping[str, Any]]:
    """Read what the fast reader refuses: bad UTF-8, half surrogates, lines run together."""
    found = _parsed(data)
    if found is not None:
        return [found] if isinstance(found, dict) else []
    objects = [_parsed(line) for line in data.splitlines()]
    if len(objects) < 2 or not all(isinstance(one, dict) for one in objects):
        raise MalformedAnswer(f"the server sent what is not JSON: {_beginning(data)!r}")
    return objects


def _parsed(data: bytes) -> Any:
    """Return what this JSON says, with U+FFFD for bytes that are no UTF-8; None: it is none."""
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _beginning(data: bytes) -> str:
    return data[:_SHOWN].decode("utf-8", "replace")
