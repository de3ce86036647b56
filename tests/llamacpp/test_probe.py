"""A build that does not run is found out in a child process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from penstock import gguf
from penstock_llamacpp import probe


def test_this_build_runs() -> None:
    assert probe.probe() is None


def test_this_build_runs_the_pocket_model(pocket: Path) -> None:
    assert probe.probe(pocket) is None


def test_a_model_that_does_not_load_is_told(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"nothing")
    assert "failed (status 2)" in (probe.probe(bad) or "")


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed (SIGSEGV)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "crashed (SIGILL)"),
        ("raise SystemExit('no library')", "failed (status 1) on a tiny model: no library"),
        ("import time; time.sleep(60)", "within 0.5 s"),
    ],
)
def test_a_crash_becomes_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, found: str
) -> None:
    child = tmp_path / "child.py"
    child.write_text(script)
    monkeypatch.setattr(probe, "__file__", str(child))
    assert found in (probe.probe(seconds=0.5 if "sleep" in script else 30) or "")


def test_a_crash_of_llamacpp_itself_becomes_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More tokens than a batch may have: llama.cpp ends the process."""
    script = Path(probe.__file__).read_text().replace("_PROMPT = 48", "_PROMPT = 5000")
    child = tmp_path / "child.py"
    child.write_text(script)
    monkeypatch.setattr(probe, "__file__", str(child))
    assert "it crashed (SIGABRT) on a tiny model: " in (probe.probe() or "")


def test_the_model_it_writes_is_small_and_whole(tmp_path: Path) -> None:
    path = probe.write_model(tmp_path / "m.gguf")
    gguf.check(path)
    assert path.stat().st_size < 300_000


def test_it_needs_nothing_of_penstock() -> None:
    """The build script runs it before Penstock is installed."""
    text = Path(probe.__file__).read_text()
    assert "import penstock" not in text
    assert "from penstock" not in text
    assert sys.executable
