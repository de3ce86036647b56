"""llama-server over HTTP: the same streams, as server-sent events on this machine.

The client is asyncio and as little else as possible; what it costs is part of what HTTP costs.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.native import program
from benchmarks.reading import Reading
from benchmarks.scale import Absent
from benchmarks.settings import Settings

_FLASH = {-1: "auto", 0: "off", 1: "on"}
_PATIENCE = 60.0


class Server:
    """llama-server on a free port; use it in a `with`. Raises `Absent` where it is not built."""

    def __init__(self, settings: Settings) -> None:
        self._port = _free_port()
        command = [str(program("llama-server")), *_arguments(settings, self._port)]
        nowhere = subprocess.DEVNULL
        self._child = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere)

    def run(self, prompts: Sequence[str], tokens: int, *, drawn: bool = False) -> list[Reading]:
        """Return when each token of each prompt came, all of them running side by side."""

        async def all_of_them() -> list[Reading]:
            return await asyncio.gather(*(self._read(text, tokens, drawn) for text in prompts))

        return asyncio.run(all_of_them())

    def __enter__(self) -> Self:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and self._child.poll() is None:
            if self._is_up():
                return self
            time.sleep(0.1)
        self.close()
        raise Absent("llama-server does not come up")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._child.kill()
        self._child.wait()

    def _is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=5) as up:
                return bool(up.status == 200)
        except OSError:
            return False

    async def _read(self, prompt: str, tokens: int, drawn: bool) -> Reading:
        reading = Reading()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(_request(prompt, tokens, drawn))
        while line := await reader.readline():
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                reading.note(bool(event["content"]))
                if event["stop"]:
                    break
        writer.close()
        return reading


def _request(prompt: str, tokens: int, drawn: bool) -> bytes:
    order = {"prompt": prompt, "n_predict": tokens, "stream": True, "ignore_eos": True}
    # Greedy in the cheapest way it has.
    order |= {"seed": 7} if drawn else {"temperature": 0, "top_k": 1, "samplers": ["top_k"]}
    body = json.dumps(order).encode()
    head = (
        "POST /completion HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _arguments(settings: Settings, port: int) -> list[str]:
    return [
        *("--model", str(Path(settings.path))),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--ctx-size", str(settings.n_ctx)),
        *("--batch-size", str(settings.n_batch), "--ubatch-size", str(settings.n_ubatch)),
        *("--parallel", str(settings.n_seq_max)),
        *("--threads", str(settings.n_threads)),
        *("--threads-batch", str(settings.n_threads_batch)),
        *("--n-gpu-layers", str(settings.n_gpu_layers)),
        *("--flash-attn", _FLASH[settings.flash_attn]),
        "--kv-unified" if settings.kv_unified else "--no-kv-unified",
    ]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
