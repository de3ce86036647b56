"""What tests of sources share: a hub on this machine, and processes with caches of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import penstock_pocket
import pytest

from tests.sources.hub import Hub

PULL = "from penstock.cli import main; raise SystemExit(main())"


@pytest.fixture
def body() -> bytes:
    """A real model."""
    return penstock_pocket.path().read_bytes()


@pytest.fixture
def hub(body: bytes) -> Iterator[Hub]:
    with Hub() as served:
        served.repos["some/pocket-GGUF"] = {"README.md": b"hello", "pocket-Q4_K_M.gguf": body}
        served.plain["/files/pocket.gguf"] = body
        yield served


class Caller:
    """Runs the command, with empty caches in `folder` and with `hub` for the hub."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.folder = folder
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HF_", "PENSTOCK_", "OLLAMA_"))
        } | {
            "COLUMNS": "200",
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "OLLAMA_MODELS": str(folder / "ollama"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PULL, *arguments],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, say: str = "") -> subprocess.CompletedProcess[str]:
        child = self.start(*arguments)
        try:
            out, errors = child.communicate(say, timeout=60)
        except BaseException:
            child.kill()
            child.communicate()
            raise
        return subprocess.CompletedProcess(arguments, child.returncode, out, errors)

    def pulled(self, name: str) -> Path:
        done = self.run("pull", name)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())

    def parts(self) -> list[Path]:
        found = [*self.folder.rglob("*.incomplete"), *self.folder.rglob("*.part")]
        return [path for path in found if path.stat().st_size]


@pytest.fixture
def caller(hub: Hub, tmp_path: Path) -> Caller:
    return Caller(hub, tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
