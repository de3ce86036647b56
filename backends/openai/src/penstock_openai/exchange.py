"""Exchange: one request, its answer as it comes, and the end of both."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from time import perf_counter
from typing import Final

import anyio
import httpx2
from penstock.errors import IncompleteStream, MalformedAnswer, PenstockError, ServerFailed
from penstock.events import Delta, EngineEvent, Finish
from penstock.request import Request

from penstock_openai import sse
from penstock_openai.answer import Answer
from penstock_openai.body import Json
from penstock_openai.connection import Connection, transport_error
from penstock_openai.faults import fault_in
from penstock_openai.objects import Object, beginning, objects_in, parsed
from penstock_openai.validity import check_of

__all__ = ["Exchange"]

SETTLE: Final = 2.0
"""Seconds to wait for usage and `[DONE]` once the server has said why it ends."""

DRAIN: Final = 0.05
"""Seconds to wait for the end of a body that is over, so that its connection can be used again."""

_DONE: Final = b"[DONE]"
_WHOLE: Final = frozenset({"application/json", "text/html", "application/xml"})
"""Content types of answers that are no stream, unless they begin as one."""
_LIKE_EVENTS: Final = (b"data:", b"event:", b":", b"id:")


class Exchange:
    """What one request brings. `open`, then `read` until None, then `aclose`, always."""

    def __init__(self, connection: Connection, request: Request, *, incomplete: bool) -> None:
        self._connection = connection
        self._incomplete = incomplete
        self._limit = request.sampling.max_tokens
        self._check = check_of(request.sampling.constraint)
        self._parser = sse.EventParser()
        self._answer = Answer({})
        self._response: httpx2.Response | None = None
        self._bytes: AsyncIterator[bytes] | None = None
        self._headers: Mapping[str, str] = {}
        self._inflate: Callable[[bytes], bytes] | None = None
        self._first: bytes | None = None
        self._settled: float | None = None
        self._error: PenstockError | None = None
        self._done = False
        self._over = False
        self._unchecked = False

    async def open(self, path: str, body: Json) -> None:
        """Send the request, and wait for the head of the answer. Raises as `Connection.open`."""
        if self._check is not None:
            await anyio.to_thread.run_sync(self._check.prepare)
        response = self._response = await self._connection.open(path, body)
        self._headers = response.headers
        self._bytes = response.aiter_raw()
        self._inflate = _inflation(self._headers.get("content-encoding", "identity"))
        request_id = self._headers.get("x-request-id")
        self._answer = Answer({} if request_id is None else {"request_id": request_id})

    async def read(self) -> list[EngineEvent] | None:
        """Return the events in what arrives next, perhaps none; None once all were given.

        Raises what is wrong with the answer, and what broke the connection.
        """
        if self._error is not None:
            raise self._error
        if self._unchecked:
            return await self._checked()
        if self._over:
            return None
        try:
            data = await self._next()
        except PenstockError as error:
            return self._broken_off(error)
        if self._first is None:
            self._first = data or b""
            if self._is_whole(self._first):
                return self._whole(await self._rest(self._first))
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

    async def _next(self) -> bytes | None:
        data = await self._raw()
        if data is None or self._inflate is None:
            return data
        try:
            return self._inflate(data)
        except zlib.error as error:
            raise MalformedAnswer(f"the answer's compression cannot be read: {error}") from error

    async def _raw(self) -> bytes | None:
        """Return the next bytes; None at the end, and once the server has no more to say."""
        assert self._bytes is not None
        try:
            if self._answer.reason is None:
                return await anext(self._bytes, None)
            self._settled = self._settled or anyio.current_time() + SETTLE
            with anyio.CancelScope(deadline=self._settled):
                return await anext(self._bytes, None)
        except httpx2.RequestError as error:
            if self._answer.reason is None:
                raise transport_error(error) from error
        return None

    # an answer that is a stream

    def _fed(self, data: bytes) -> list[sse.Event]:
        try:
            return self._parser.feed(data)
        except ValueError as error:
            raise MalformedAnswer(f"the server sent {error}") from error

    def _taken(self, events: list[sse.Event]) -> list[EngineEvent]:
        """Return what events mean; what is wrong in one is raised after those before it."""
        out: list[EngineEvent] = []
        try:
            self._take(events, out)
        except PenstockError as error:
            self._error = error
        out = self._within(out)
        return self._ended(out) if self._done else out

    def _take(self, events: list[sse.Event], out: list[EngineEvent]) -> None:
        at = perf_counter()
        answer = self._answer
        for name, data in events:
            if data.startswith(_DONE):
                self._done = True
                return
            chunks = objects_in(data)
            if chunks is None:
                raise self._unreadable("what is not JSON", data)
            for chunk in chunks:
                if name or "error" in chunk or "choices" not in chunk:
                    self._refuse(chunk, name)
                answer.take(chunk, at, out)

    def _at_end(self) -> list[EngineEvent]:
        out = self._taken(self._parser.flush())
        return out if self._done or self._error is not None else self._ended(out)

    def _broken_off(self, error: PenstockError) -> list[EngineEvent]:
        """Return what is whole of an event that the end cut short; `error` is raised behind it."""
        out: list[EngineEvent] = []
        with suppress(PenstockError, ValueError):
            self._take(self._parser.flush(), out)
        out = self._within(out)
        if self._done:
            return self._ended(out)
        self._error = error
        return out

    # an answer that is none

    def _is_whole(self, first: bytes) -> bool:
        return self._kind in _WHOLE and not first.lstrip().startswith(_LIKE_EVENTS)

    @property
    def _kind(self) -> str:
        kind = self._headers.get("content-type", "")
        return kind.partition(";")[0].strip().lower()

    async def _rest(self, first: bytes) -> bytes:
        parts, size = [first], len(first)
        while (data := await self._next()) is not None:
            parts.append(data)
            size += len(data)
            if size > sse.MOST_BYTES:
                raise MalformedAnswer(f"the server's answer has more than {sse.MOST_BYTES} bytes")
        return b"".join(parts)

    def _whole(self, data: bytes) -> list[EngineEvent]:
        """Take a whole completion, or something else altogether."""
        self._done = True
        found = parsed(data) if self._kind == "application/json" else None
        if not isinstance(found, Mapping):
            raise self._unreadable(f"{self._kind} that is no completion", data)
        self._refuse(found, b"")
        out: list[EngineEvent] = []
        self._answer.take(found, perf_counter(), out)
        return self._ended(self._within(out))

    def _refuse(self, chunk: Object, event: bytes) -> None:
        """Raise what a server says went wrong while it answered."""
        fault = fault_in(chunk, event if event == b"error" else b"")
        if fault is not None:
            raise self._connection.told(fault, None, self._headers)

    def _unreadable(self, what: str, data: bytes) -> MalformedAnswer:
        return MalformedAnswer(
            f"the server answered with {what}: {self._connection.hidden(beginning(data))!r}",
            hint="Check the option 'base_url': it usually ends with /v1",
            request_id=self._headers.get("x-request-id"),
        )

    # the end

    def _ended(self, out: list[EngineEvent]) -> list[EngineEvent]:
        """Add the end to the last events; an error is raised behind them."""
        if not self._over:
            self._over = True
            self._error = self._wrong()
            self._unchecked = self._error is None and self._is_bound()
            if self._error is None and not self._unchecked:
                out.extend(self._answer.finish())
        return out

    def _is_bound(self) -> bool:
        """Whether the answer must be one that was asked for."""
        answer = self._answer
        return self._check is not None and answer.reason == "stop" and not answer.refused

    async def _checked(self) -> list[EngineEvent]:
        """Return the end of an answer that was bound; an error is raised behind it.

        A long one takes its time to check, which the event loop has not.
        """
        assert self._check is not None
        self._unchecked = False
        verdict = self._check.verdict
        self._error = await anyio.to_thread.run_sync(verdict, abandon_on_cancel=True)
        return [] if self._error is not None else list(self._answer.finish())

    def _wrong(self) -> PenstockError | None:
        """Return what is wrong with an answer that has come to its end, if anything is."""
        answer = self._answer
        if answer.reason == "error":
            return ServerFailed(f"the server gave up: {answer.raw!r}")
        if not answer.begun and (self._done or self._first):
            return self._unreadable("no choice in it", self._first or b"")
        if answer.reason is None and not self._done and not self._incomplete:
            return IncompleteStream(
                "the server's answer stopped without saying that this was its end",
                hint="Where that is normal for a server, set the option 'allow_incomplete'",
            )
        return None

    def _within(self, out: list[EngineEvent]) -> list[EngineEvent]:
        """Keep to `max_tokens` where the server does not; note the text where it is checked."""
        if self._check is not None:
            for event in out:
                if isinstance(event, Delta):
                    self._check.add(event.text)
        if self._limit is None or self._answer.tokens <= self._limit or self._over:
            return out
        self._over, self._error = True, None
        return _cut(out, self._answer.tokens - self._limit)

    async def _drain(self) -> None:
        """Read to the end, or until cancelled.

        Either ends the client's generators, which are several within each other: one that is only
        dropped would be complained of by trio.
        """
        assert self._bytes is not None
        with suppress(httpx2.RequestError):
            async for _ in self._bytes:
                continue


def _inflation(encoding: str) -> Callable[[bytes], bytes] | None:
    """Return what takes a server's compression back, which it was asked not to use."""
    if encoding.lower() == "identity":
        return None
    if encoding.lower() not in {"gzip", "deflate"}:
        raise MalformedAnswer(f"the answer is compressed with {encoding!r}, though none was wanted")
    return zlib.decompressobj(wbits=47).decompress  # gzip or zlib, by its own head


def _cut(out: list[EngineEvent], surplus: int) -> list[EngineEvent]:
    """Take out the deltas that are wholly beyond the limit, by `surplus` tokens, and end there."""
    kept: list[EngineEvent] = []
    for event in reversed(out):
        tokens = event.tokens if isinstance(event, Delta) else 0
        if tokens and tokens <= surplus:
            surplus -= tokens
        else:
            kept.append(event)
    return [*reversed(kept), Finish("length")]
