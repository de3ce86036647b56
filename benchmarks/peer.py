"""What Penstock is held against, in a process of its own, seen from here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from benchmarks.reading import Reading
from benchmarks.scale import Absent
from benchmarks.settings import Settings

_ROOT = Path(__file__).parents[1]


class Measured:
    """A child that runs `benchmarks.<module>`, and answers orders in lines; use it in a `with`.

    Raises `Absent` where it does not come up, or fails at an order.
    """

    def __init__(self, module: str, *arguments: str, python: str = sys.executable) -> None:
        self._name = " ".join((module, *arguments[:1]))[:60]
        command = [python, "-m", f"benchmarks.{module}", *arguments]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(
            command, cwd=_ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def order(self, order: Mapping[str, object]) -> Any:
        """Have something measured; return what was found."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()
        found = self._line()
        if not found:
            raise Absent(f"{self._name} fails at {order!r:.80}")
        return json.loads(found)

    def __enter__(self) -> Self:
        if self._line() != "ready":
            self.close()
            raise Absent(f"{self._name} does not start (status {self._child.returncode})")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.communicate()

    def _line(self) -> str:
        assert self._child.stdout is not None
        return self._child.stdout.readline().strip()


class Peer(Measured):
    """A child that runs a model with `settings`."""

    def __init__(self, module: str, settings: Settings, python: str = sys.executable) -> None:
        super().__init__(module, settings.text(), python=python)

    def run(self, prompts: Sequence[str], tokens: int, *, drawn: bool = False) -> list[Reading]:
        """Return when each token of each prompt came, all of them running side by side."""
        began = perf_counter()
        found = self.order({"prompts": list(prompts), "tokens": tokens, "drawn": drawn})
        return [Reading(began, moments) for moments in found]
