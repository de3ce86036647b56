"""Clients in processes of their own, and the environments that some of them need."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.models import BUILD
from benchmarks.scale import Absent, only_in_full

_ROOT = Path(__file__).parents[1]
_PEERS = {
    "any_llm": "any-llm-sdk",
    "langchain": "langchain-openai",
    "litellm": "litellm",
    "pydantic_ai": "pydantic-ai-slim",
}
"""Clients of the dependency group `bench-peers`, each installed into an environment of its own."""


class HttpClient:
    """A child that reads with one of `clients.CLIENTS`; use it in a `with`.

    Raises `Absent` where it does not come up.
    """

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        command = [_python(name), "-m", "benchmarks.clients", name, url]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        self._child = subprocess.Popen(
            command, cwd=_ROOT, stdin=pipe, stdout=pipe, stderr=nowhere, text=True
        )

    def ask(self, measure: str, **order: float | str) -> dict[str, float]:
        """Have something measured; return what was found."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"measure": measure, **order}) + "\n")
        self._child.stdin.flush()
        found = self._line()
        if not found:
            raise Absent(f"{self._name} fails at {measure!r}")
        told: dict[str, float] = json.loads(found)
        return told

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


def _requirement(name: str) -> str:
    groups = tomllib.loads((_ROOT / "pyproject.toml").read_text())["dependency-groups"]
    found: str = next(one for one in groups["bench-peers"] if one.startswith(name))
    return found


def _python(name: str) -> str:
    if name not in _PEERS:
        return sys.executable
    folder = BUILD / f"peer-{name}"
    found = folder / "bin" / "python"
    if not found.exists():
        only_in_full()
        venv.create(folder, with_pip=True)
        command = [str(found), "-m", "pip", "install", "--quiet", _requirement(_PEERS[name])]
        if subprocess.run(command, check=False).returncode:
            raise Absent(f"{name} cannot be installed into {folder}")
    return str(found)
