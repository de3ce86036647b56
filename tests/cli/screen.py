"""A terminal with the command in it: keys go in, and its screen can be looked at."""

from __future__ import annotations

import termios
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

from tests.cli.conftest import COMMAND, environment

__all__ = ["CTRL_C", "CTRL_D", "CTRL_Z", "DOWN", "ENTER", "TAB", "UP", "Terminal"]

CTRL_C, CTRL_D, CTRL_Z, ENTER, TAB = "\x03", "\x04", "\x1a", "\r", "\t"
ALT_ENTER, UP, DOWN = "\x1b\r", "\x1b[A", "\x1b[B"
SECONDS = 30


class _Screen(pyte.HistoryScreen):
    """A screen that answers when it is asked where its cursor is, as terminals do."""

    def __init__(self, columns: int, rows: int, answer: Callable[[str], object]) -> None:
        super().__init__(columns, rows, history=5000, ratio=0.5)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data)


class Terminal:
    """A program on a terminal of its own; by default the command, with these arguments."""

    def __init__(
        self,
        *arguments: str,
        state: Path,
        rows: int = 24,
        columns: int = 80,
        env: dict[str, str] | None = None,
        program: str = COMMAND,
    ) -> None:
        given = {"TERM": "xterm-256color", "XDG_STATE_HOME": str(state), "HOME": str(state)}
        around = environment(given | (env or {}))
        for name in ("COLUMNS", "LINES", "NO_COLOR"):  # the terminal itself knows its size
            if name not in (env or {}):
                around.pop(name, None)
        self._child = pexpect.spawn(
            program, list(arguments), env=around, dimensions=(rows, columns), timeout=SECONDS
        )
        self._child.delaybeforesend = None
        self.screen = _Screen(columns, rows, self._child.send)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""

    # what it shows

    @property
    def lines(self) -> list[str]:
        """All lines, those that scrolled out of sight first."""
        width = self.screen.columns
        above = [
            "".join(line[column].data for column in range(width)).rstrip()
            for line in self.screen.history.top
        ]
        return [*above, *(line.rstrip() for line in self.screen.display)]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    def behind(self, said: str) -> str:
        """Return what is shown behind the last line with this text."""
        lines = self.lines
        last = max((at for at, line in enumerate(lines) if said in line), default=len(lines))
        return "\n".join(lines[last + 1 :]).rstrip()

    def looks_of(self, text: str) -> pyte.screens.Char:
        """Return how the first character of a text looks, where it is shown last."""
        for row in reversed(range(self.screen.lines)):
            at = self.screen.display[row].rfind(text)
            if at >= 0:
                return self.screen.buffer[row][at]
        raise AssertionError(f"no {text!r} in {self.text!r}")

    @property
    def echoes(self) -> bool:
        """Whether the terminal itself shows what is typed, as a shell wants it."""
        return bool(termios.tcgetattr(self._child.fileno())[3] & termios.ECHO)

    # what is done with it

    def echo(self) -> None:
        """Have the terminal show what is typed, as shells have it when a program is stopped."""
        modes = termios.tcgetattr(self._child.fileno())
        modes[3] |= termios.ECHO | termios.ICANON
        termios.tcsetattr(self._child.fileno(), termios.TCSANOW, modes)

    def signal(self, number: int) -> None:
        self._child.kill(number)

    def press(self, *keys: str | bytes) -> None:
        for key in keys:
            self._child.send(key)

    def say(self, text: str) -> None:
        """Type a line at the prompt, once there is one."""
        self.at_prompt()
        self.press(text, ENTER)

    def at_prompt(self) -> None:
        self.until(lambda: self.screen.display[self.screen.cursor.y].rstrip() == ">", "no prompt")

    def answer_to(self, text: str) -> str:
        """Say a line; return what is shown until the prompt is there again."""
        self.at_prompt()
        before = self.text.count(f"> {text}")
        self.say(text)
        self.until(lambda: self.text.count(f"> {text}") > before, f"{text!r} is not shown")
        self.at_prompt()
        return self.behind(f"> {text}").removesuffix(">").rstrip()

    def resize(self, rows: int, columns: int) -> None:
        self.read(0)
        self.screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def read(self, seconds: float) -> bool:
        """Take in what comes within these seconds; return whether anything did."""
        try:
            data = self._child.read_nonblocking(10_000, timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return False
        self.raw += data
        self._stream.feed(data)
        return True

    def until(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Read until something holds."""
        last = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < last, f"{otherwise}: {self.text!r}"
            if not self.read(0.05) and not self._child.isalive() and not self.read(0.05):
                assert holds(), f"{otherwise}, and it ended: {self.text}"

    def until_shown(self, text: str) -> None:
        self.until(lambda: text in self.text, f"no {text!r}")

    def status(self) -> int:
        """Wait for the end; return the status."""
        self.until(lambda: not self._child.isalive(), "it does not end")
        while self.read(0.05):
            continue
        self._child.close()
        return self._child.exitstatus

    def ended_by(self) -> int | None:
        """Wait for the end; return the signal that brought it about."""
        self.until(lambda: not self._child.isalive(), "it does not end")
        return self._child.signalstatus

    def close(self) -> None:
        self._child.close(force=True)
