"""The command as a user runs it: a process of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = str(Path(sysconfig.get_path("scripts")) / "penstock")
SECONDS = 30

Finished = subprocess.CompletedProcess[str]
Run = Callable[..., Finished]
Start = Callable[..., subprocess.Popen[bytes]]


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    return kept | {"COLUMNS": "200"} | (extra or {})


@pytest.fixture
def penstock() -> Run:
    """Run the command to its end."""

    def run(*arguments: str, say: str = "", env: dict[str, str] | None = None) -> Finished:
        return subprocess.run(
            [COMMAND, *arguments],
            input=say,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=environment(env),
            check=False,
        )

    return run


@pytest.fixture
def started():
    """Start the command, to be dealt with while it runs; it is ended after the test."""
    children: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **streams: object) -> subprocess.Popen[bytes]:
        given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = subprocess.Popen(
            [COMMAND, *arguments], env=environment(), bufsize=0, **(given | streams)
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def read_until():
    """Read what comes through a file descriptor, until something was seen."""

    def read(file: int, end: bytes, seconds: float = 10) -> bytes:
        seen, last = b"", time.monotonic() + seconds
        while end not in seen:
            left = last - time.monotonic()
            assert select.select([file], [], [], max(0.0, left))[0], f"no {end!r} in {seen!r}"
            seen += os.read(file, 1000)
        return seen

    return read


@pytest.fixture
def on_terminal(tmp_path):
    """Start the command on a terminal; it is ended after the test."""
    from tests.cli.screen import Terminal

    opened: list[Terminal] = []

    def start(*arguments: str, **how: object) -> Terminal:
        opened.append(Terminal(*arguments, **({"state": tmp_path} | how)))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


@pytest.fixture
def terminal():
    """A terminal: our end of it, and the program's."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(theirs)
    os.close(ours)


@pytest.fixture
def broken_plugin(tmp_path: Path) -> dict[str, str]:
    """Install a plugin that cannot be imported, for a process with this environment."""
    info = tmp_path / "shattered-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shattered\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[penstock]\nshattered = shattered_plugin\n")
    (tmp_path / "shattered_plugin.py").write_text("import glass_that_is_not_there\n")
    found = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": f"{tmp_path}{os.pathsep}{found}".rstrip(os.pathsep)}
