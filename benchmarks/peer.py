"""What Penstock is held against, in a process of its own, seen from here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Self

from benchmarks.reading import Reading
from benchmarks.scale import Absent
from benchmarks.settings import Settings

_ROOT = Path(__file__).parents[1]


class Peer:
    """A child that runs `benchmarks.<module>` with `settings`; use it in a `with`.

    Raises `Absent` where it does not come up.
    """

    def __init__(self, module: str, settings: Settings, python: str = sys.executable) -> None:
        self._module = module
        command = [python, "-m", f"benchmarks.{module}", settings.text()]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(
            command, cwd=_ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def run(self, prompts: Sequence[str], tokens: int, *, drawn: bool = False) -> list[Reading]:
        """Return when each token of each prompt came, all of them running side by side."""
        began = perf_counter()
        order = {"prompts": list(prompts), "tokens": tokens, "drawn": drawn}
        found = json.loads(self._exchange(json.dumps(order)))
        return [Reading(began, moments) for moments in found]

    def __enter__(self) -> Self:
        if self._line() != "ready":
            self.close()
            raise Absent(f"{self._module} does not start (status {self._child.returncode})")
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

    def _exchange(self, line: str) -> str:
        assert self._child.stdin is not None
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._child.stdout is not None
        return self._child.stdout.readline().strip()
