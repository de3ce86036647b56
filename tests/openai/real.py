"""Real servers on loopback, started for a test and ended after it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import penstock_pocket

STARTS = 120.0
"""Seconds a server may take to answer for the first time."""


@contextmanager
def llama_cpp_server(folder: Path, n_ctx: int = 512) -> Iterator[str]:
    """llama-cpp-python's own server with the pocket model; gives its URL."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "llama_cpp.server", "--model", str(penstock_pocket.path())),
        *("--model_alias", "pocket", "--host", "127.0.0.1", "--port", str(port)),
        *("--n_ctx", str(n_ctx), "--n_threads", "2", "--interrupt_requests", "false"),
        *("--flash_attn", "true"),
        *("--logits_all", "true", "--embedding", "false"),
    ]
    with served(command, port, folder) as url:
        yield url


@contextmanager
def served(command: list[str], port: int, folder: Path) -> Iterator[str]:
    """Run a server until the block ends."""
    log = folder / "server.log"
    with log.open("wb") as lines:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=lines, stderr=lines)
        try:
            url = f"http://127.0.0.1:{port}/v1"
            await_answer(f"{url}/models", child, log)
            yield url
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def await_answer(url: str, child: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + STARTS
    while time.monotonic() < until:
        assert child.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(
        f"no answer within {STARTS:g} s: {log.read_text(errors='replace')[-2000:]}"
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


EXTERNAL = os.environ.get("OPENAI_BASE_URL")
"""A server of the user's own, noted before the tests forget the environment."""
EXTERNAL_KEY = os.environ.get("OPENAI_API_KEY", "")
EXTERNAL_MODEL = os.environ.get("PENSTOCK_TEST_MODEL", "")
