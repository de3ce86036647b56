"""The fault server: speaks the OpenAI dialect on 127.0.0.1, as badly as it is told to.

It runs on a thread of its own, so that tests on any event loop, or on none, can use it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable
from ssl import SSLContext
from time import perf_counter, sleep
from typing import Self, TypeAlias

import anyio

from penstock_openai.testing.connection import Connection, Counts
from penstock_openai.testing.honest import Honest
from penstock_openai.testing.replies import Reply, error
from penstock_openai.testing.wire import Received

__all__ = ["Answer", "FaultServer"]

Answer: TypeAlias = Callable[[Received], Reply]
"""What a server says to a request. It is called on the server's thread, and must not block."""

QUEUED_PATHS = ("/v1/chat/completions", "/v1/completions")
BACKLOG = 512
LOOK_AGAIN = 0.001


class FaultServer(Counts):
    """A server for the length of a `with`; what it has seen is in the attributes of `Counts` too.

    answer    what it says where nothing is queued; may be set at any time
    tls       with which it listens, where it is to speak HTTPS
    received  the requests so far, in the order in which they came
    port      where it listens

    On leaving, every connection is closed and the thread has ended.
    """

    port: int

    def __init__(self, answer: Answer | None = None, *, tls: SSLContext | None = None) -> None:
        super().__init__()
        self._tls = tls
        self.answer: Answer = answer or Honest()
        self.received: list[Received] = []
        self._queued: deque[Reply] = deque()
        self._connected: set[Connection] = set()

    @property
    def url(self) -> str:
        """The base of the API, without a slash at its end."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}/v1"

    def queue(self, *replies: Reply) -> None:
        """Answer the next requests for chats and completions with these, before `answer` is asked.

        One reply serves one request, in order.
        """
        self._queued.extend(replies)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 5.0) -> bool:
        """Block until a condition holds; return False if it does not within so many seconds."""
        deadline = perf_counter() + seconds
        while not condition():
            if perf_counter() >= deadline:
                return False
            sleep(LOOK_AGAIN)
        return True

    async def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> bool:
        """Wait until a condition holds; return False if it does not within so many seconds."""
        deadline = perf_counter() + seconds
        while not condition():  # it comes true on another thread, which knows no event of ours
            if perf_counter() >= deadline:
                return False
            await anyio.sleep(LOOK_AGAIN)
        return True

    def __enter__(self) -> Self:
        # It listens before its thread runs: who connects early waits in the backlog.
        listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port = listener.getsockname()[1]
        self._runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
        self._loop = self._runner.get_loop()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name="fault-server", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    # on the thread

    def _run(self, listener: socket.socket) -> None:
        with self._runner as runner:
            runner.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            self._connection, sock=listener, backlog=BACKLOG, ssl=self._tls
        )
        await self._ending.wait()
        # Nobody is accepted from here on; who was just now becomes a connection in a few turns of
        # the loop, which fails when the server is closed before.
        loop.remove_reader(listener)
        for _ in range(4):
            await asyncio.sleep(0)
        server.close()
        for connection in tuple(self._connected):
            connection.shut()
        while self._connected:  # noqa: ASYNC110  # for a turn of the loop or two
            await asyncio.sleep(0)

    def _connection(self) -> Connection:
        return Connection(self, self._connected, self._reply_to)

    def _reply_to(self, received: Received) -> Reply:
        self.received.append(received)
        if self._queued and received.method == "POST" and received.path in QUEUED_PATHS:
            return self._queued.popleft()
        try:
            return self.answer(received)
        except Exception as broken:  # noqa: BLE001  # the client is told, and the test sees it there
            return error(500, f"The answer failed with {broken!r}")
