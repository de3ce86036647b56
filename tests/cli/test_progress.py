"""How progress is shown: a bar, lines, or nothing."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from penstock import LoadProgress
from penstock.cli.progress import ProgressDisplay
from penstock.sizes import human

from tests.cli.conftest import COMMAND

PATH = {"PATH": f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def download(count: int) -> LoadProgress:
    return LoadProgress(
        "downloading", count / 2000, bytes=count, total=2000, rate=1.5e6, file="x.gguf"
    )


def test_a_terminal_shows_a_bar_with_bytes_and_rate_in_one_line():
    screen = Terminal()
    display = ProgressDisplay(screen, quiet=False)
    display.show(download(1000))
    display.clear()
    bar = "━" * 12 + "─" * 12
    assert screen.getvalue() == (
        f"\r\x1b[Kdownloading 50% {bar}  1 kB of 2 kB  1.5 MB/s  x.gguf\r\x1b[K"
    )


def test_a_line_is_no_wider_than_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    screen = Terminal()
    ProgressDisplay(screen, quiet=False).show(download(1000))
    assert len(screen.getvalue()) == len("\r\x1b[K") + 29


def test_the_width_is_that_of_the_terminal_it_is_shown_on(on_terminal):
    command = "penstock complete red -m echo: --option load_seconds=0.4 | cat"
    terminal = on_terminal("-c", command, program="bash", columns=10, env=PATH)
    assert terminal.status() == 0
    shown = terminal.raw.decode().split("\r\x1b[K")
    assert "loading 7" in shown
    assert max(map(len, shown[:-1])) == 9


def test_a_log_gets_a_line_for_each_tenth_of_what_takes_long():
    log = io.StringIO()
    display = ProgressDisplay(log, quiet=False)
    display.show(LoadProgress("resolving", 0.0))
    for count in range(0, 2001, 10):
        display.show(download(count))
    display.show(LoadProgress("loading", 0.5))
    display.clear()
    lines = log.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[5] == "downloading 50%  1 kB of 2 kB  1.5 MB/s  x.gguf"


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_quiet_shows_nothing(stream):
    screen = stream()
    display = ProgressDisplay(screen, quiet=True)
    display.show(download(1000))
    display.clear()
    assert screen.getvalue() == ""


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (999, "999 B"), (1500, "2 kB"), (2.5e6, "2.5 MB"), (43e9, "43.0 GB")],
)
def test_sizes_are_for_people(size, said):
    assert human(size) == said
