"""A server that costs next to nothing: it says the same chunks to everybody. Run as a child.

The model's name says what: `flat-4000` is 4,000 chunks as fast as they are taken, `paced-400-0.01`
is 400 of them, 10 ms apart, `stall` one chunk and then nothing, `short` a whole answer of three.
Where it is paced, each chunk holds when it was sent, by the clock that all processes of a machine
share. Standard library only.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Self

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    b"x-request-id: req_0123456789\r\n\r\n"
)
END = b"data: [DONE]\n\n"
_ROOT = Path(__file__).parents[1]


def framed(data: bytes) -> bytes:
    """Return bytes as one chunk of an HTTP body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(content: str | None, reason: str | None = None) -> bytes:
    """Return a chunk of the size that OpenAI's have."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    chunk = {
        "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "mock-2026-01-01",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
        "choices": [choice],
    }
    return b"data: %s\n\n" % json.dumps(chunk, separators=(",", ":")).encode()


WORDS = " word", " next"  # LiteLLM gives up where one chunk is said a hundred times
FLAT = {
    count: HEAD
    + framed(event("")) + b"".join(framed(event(WORDS[at % 2])) for at in range(count))
    + framed(event(None, "stop") + END) + b"0\r\n\r\n"
    for count in (3, 4000)
}  # fmt: skip


class Mock(asyncio.Protocol):
    """One connection. `left` notes when the last client went away in the middle of an answer."""

    left = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._data = b""
        self._task: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n")
             if line.startswith(b"content-length:")), 0,
        )  # fmt: skip
        if len(rest) >= length:
            self._data = rest[length:]
            self._answer(head, rest[:length])

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        if self._task is not None:
            Mock.left = perf_counter()
            self._task.cancel()

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /left"):
            told = b"%r" % Mock.left
            self._transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(told) + told
            )
            return
        kind, *numbers = json.loads(body)["model"].split("-")
        if kind == "flat":
            self._transport.write(FLAT[int(numbers[0])])
        elif kind == "short":
            self._transport.write(FLAT[3])
        else:
            self._task = asyncio.ensure_future(self._slowly(kind, *map(float, numbers)))

    async def _slowly(self, kind: str, count: float = 1, pace: float = 0.0) -> None:
        send = self._transport.write
        send(HEAD + framed(event("")))
        if kind == "stall":
            send(framed(event("Hello")))
            await asyncio.Event().wait()
        due = perf_counter()
        for _ in range(int(count)):
            due += pace
            await asyncio.sleep(max(0.0, due - perf_counter()))
            send(framed(event(f"{perf_counter():.6f}")))
        send(framed(event(None, "stop") + END) + b"0\r\n\r\n")
        self._task = None


class MockServer:
    """The child; use it in a `with`. `url` ends with `/v1`."""

    url = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.mock"]
        self._child = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
        assert self._child.stdout is not None
        self.url = self._child.stdout.readline().strip()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._child.kill()
        self._child.communicate()


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
