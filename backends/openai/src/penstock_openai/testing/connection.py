"""A connection: requests in, replies out, step by step, with an eye on whether the client is there.

It reads all the time, also while it answers, so that a client that goes away is seen at once.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from socket import IPPROTO_TCP, SO_LINGER, SOL_SOCKET, TCP_NODELAY
from time import perf_counter

from penstock_openai.testing.replies import Cut, Pause, Reply, Reset, Send, Stall, Step
from penstock_openai.testing.wire import (
    Framing,
    Received,
    Refused,
    framed,
    framing_of,
    head_of,
    stays,
    take,
)

__all__ = ["Connection", "Counts"]

AT_ONCE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
BODYLESS = (204, 304)
LAST_CHUNK = b"0\r\n\r\n"


class Counts:
    """What a server has seen.

    connections      accepted so far
    open             connections open now
    answering        requests being answered now
    disconnects      times a client went away from an unfinished answer
    last_disconnect  when that was seen last, on the clock of `time.perf_counter`
    bytes_sent       bytes that the kernel has taken, counted when it has taken all of a step

    The server counts on its own thread, and a client may have the end of an answer a moment before
    that is counted: wait for a count rather than to compare it once.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.open = 0
        self.answering = 0
        self.disconnects = 0
        self.last_disconnect = 0.0
        self.bytes_sent = 0


class Connection(asyncio.Protocol):
    """One connection of a client; `connected` holds it from its first to its last moment."""

    _transport: asyncio.Transport

    def __init__(
        self, counts: Counts, connected: set[Connection], reply_to: Callable[[Received], Reply]
    ) -> None:
        self._counts = counts
        self._connected = connected
        self._reply_to = reply_to
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._here = True
        self._deaf = False

    def shut(self) -> None:
        """End it, from the server's side."""
        self._leave()
        self._transport.abort()

    # what the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # A write has room when the kernel took it all. TLS pauses at its limit, TCP beyond it.
        transport.set_write_buffer_limits(high=transport.get_extra_info("ssl_object") is not None)
        with suppress(OSError):  # the client may be gone already, which is told right behind this
            transport.get_extra_info("socket").setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._connected.add(self)
        self._counts.connections += 1
        self._counts.open += 1

    def data_received(self, data: bytes) -> None:
        if not self._deaf:
            self._buffer += data
            self._go_on()

    def eof_received(self) -> None:
        self._lost()
        self._transport.abort()  # nobody is left to read what the kernel has not taken

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # all ends are one
        self._lost()
        self._connected.discard(self)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    # requests

    def _go_on(self) -> None:
        """Answer the next request, if it is here and none is being answered."""
        if self._task is not None:
            return
        try:
            received = take(self._buffer)
        except Refused as refused:
            self._begin(self._refuse(refused.reply))
        else:
            if received is not None:
                self._begin(self._answer(received))

    def _begin(self, answer: Coroutine[None, None, None]) -> None:
        self._counts.answering += 1
        self._task = asyncio.get_running_loop().create_task(answer)

    def _finish(self) -> None:
        self._task = None
        self._counts.answering -= 1

    async def _answer(self, received: Received) -> None:
        reply = self._reply_to(received)
        if received.method == "HEAD" or reply.status in BODYLESS:
            reply = replace(reply, steps=(), length=True)
        keep = await self._perform(reply, keep=stays(received.headers))
        self._finish()
        if keep:
            self._go_on()
        else:
            self._transport.close()

    async def _refuse(self, reply: Reply) -> None:
        """Refuse, and listen no more; closing at once would reset a client that still sends."""
        self._deaf = True
        await self._perform(reply, keep=False)
        self._finish()
        self._transport.write_eof()

    # replies

    async def _perform(self, reply: Reply, *, keep: bool) -> bool:
        """Do what a reply says, and return whether the connection goes on behind it."""
        framing = framing_of(reply)
        keep = keep and framing != "own" and stays({k.lower(): v for k, v in reply.headers})
        await asyncio.sleep(reply.before)
        await self._write(head_of(reply, keep=keep))
        for step in reply.steps:
            if not await self._do(step, framing):
                return False
        if framing == "chunks":
            await self._write(LAST_CHUNK)
        return keep

    async def _do(self, step: Step, framing: Framing) -> bool:
        """Do a step, and return whether the next may come."""
        match step:
            case Send(data):
                # The loop must see who leaves within a burst. It looks before a write, not behind:
                # a client may hang up as soon as it has the last one, and has not gone early then.
                await asyncio.sleep(0)
                await self._write(framed(data, framing))
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Stall():
                await asyncio.get_running_loop().create_future()
            case Reset():
                self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, AT_ONCE)
                self._transport.abort()
        return not isinstance(step, Cut | Reset)

    async def _write(self, data: bytes) -> None:
        self._transport.write(data)
        await self._room.wait()
        self._counts.bytes_sent += len(data)

    # the end

    def _leave(self) -> bool:
        """Count it as closed, and return whether that left an answer unfinished."""
        if self._here:
            self._here = False
            self._counts.open -= 1
        if self._task is None:
            return False
        self._task.cancel()
        self._finish()
        return True

    def _lost(self) -> None:
        now = perf_counter()
        if self._leave():
            self._counts.last_disconnect = now
            self._counts.disconnects += 1  # last, so that who waits for it sees the rest counted
