"""Clients in processes of their own, and the environments that some of them need."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from benchmarks.models import BUILD
from benchmarks.peer import Measured
from benchmarks.scale import Absent, only_in_full

_ROOT = Path(__file__).parents[1]
_PEERS = {
    "any_llm": "any-llm-sdk",
    "langchain": "langchain-openai",
    "litellm": "litellm",
    "pydantic_ai": "pydantic-ai-slim",
}
"""Clients of the dependency group `bench-peers`, each installed into an environment of its own."""


class HttpClient(Measured):
    """A child that reads with one of `clients.CLIENTS`."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__("clients", name, url, python=_python(name))

    def ask(self, measure: str, **order: float | str) -> dict[str, float]:
        """Have something measured; return what was found."""
        found: dict[str, float] = self.order({"measure": measure, **order})
        return found


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
