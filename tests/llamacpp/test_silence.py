"""Nothing is ever written on stdout or stderr: not by Python, not by C."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import anyio, sys
from pathlib import Path
from penstock.backend import ModelSpec
from penstock.errors import PenstockError
from penstock.messages import Segment
from penstock.request import Request, Sampling
from penstock.testing import Record
from penstock_llamacpp.backend import LlamaCpp

async def load(path, **options):
    spec = ModelSpec(source=path, path=Path(path), options=options)
    return await LlamaCpp().load(spec, lambda progress: None)

def run(path):
    engine = anyio.run(lambda: load(path, n_ctx=4096))
    request = Request(prompt=(Segment("the a " * 100),), sampling=Sampling(max_tokens=20))
    record = Record(request)
    engine.submit(record)
    record.wait()
    engine.close()
    list(LlamaCpp().diagnose())

run(sys.argv[1])
for path in sys.argv[2:]:
    try:
        anyio.run(lambda: load(path))
    except PenstockError:
        continue
    raise SystemExit("loaded")
"""


def test_loading_generating_failing_and_closing_say_nothing(tiny: Path, tmp_path: Path) -> None:
    broken, cut = tmp_path / "broken.gguf", tmp_path / "cut.gguf"
    broken.write_bytes(tiny.read_bytes().replace(b"output_norm.weight", b"uotput_norm.weight"))
    cut.write_bytes(tiny.read_bytes()[:-9])
    command = [sys.executable, "-W", "error", "-c", SCRIPT, str(tiny), str(broken), str(cut), "/"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_llamacpp_says_goes_to_logging(
    fresh, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG, "penstock.llamacpp"):
        fresh()
    assert any("n_ctx" in message for message in caplog.messages)
    assert capfd.readouterr() == ("", "")
