"""Models are freed once, in every way a program can end, and never under a running step."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import anyio
import pytest
from penstock.backend import ModelSpec
from penstock.errors import EngineError, ModelClosed
from penstock_llamacpp.backend import LlamaCpp
from penstock_llamacpp.weights import Weights

EXITING = """
import anyio, sys
from pathlib import Path
from penstock.backend import ModelSpec
from penstock.messages import Segment
from penstock.request import Request, Sampling
from penstock.testing import Record
from penstock_llamacpp.backend import LlamaCpp

path = Path(sys.argv[1])
spec = ModelSpec(source="x", path=path)
engine = anyio.run(LlamaCpp().load, spec, lambda progress: None)
sampling = Sampling(temperature=0, ignore_eos=True)
records = [Record(Request(prompt=(Segment("a"),), sampling=sampling)) for _ in range(6)]
for record in records:
    engine.submit(record)
while not records[0].tokens:
    pass
"""


@pytest.mark.parametrize("attempt", range(4))
def test_a_program_may_end_while_a_thread_generates(tiny: Path, attempt: int) -> None:
    command = [sys.executable, "-c", EXITING, str(tiny)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_closing_stops_the_step_at_hand(fresh, submit) -> None:
    for _ in range(10):
        engine = fresh()
        record = submit(engine, "a " * 700, temperature=0, ignore_eos=True)
        while not record.prefills:
            time.sleep(0.0001)
        engine.close()
        with pytest.raises(ModelClosed):
            record.wait(0)


def test_closing_from_many_threads_is_closing_once(fresh, submit) -> None:
    engine = fresh()
    records = [submit(engine, "a", temperature=0, ignore_eos=True) for _ in range(8)]
    threads = [threading.Thread(target=engine.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert all(record.endings == 1 for record in records)


def test_a_model_that_is_dropped_is_freed(tiny: Path) -> None:
    spec = ModelSpec(source=str(tiny), path=tiny)
    others = set(threading.enumerate())
    engine = anyio.run(LlamaCpp().load, spec, lambda _progress: None)
    weights, gone = engine._weights, weakref.ref(engine)
    threads = {one for one in threading.enumerate() if one.name.startswith("penstock")} - others
    assert len(threads) == 2
    del engine
    gc.collect()
    # The thread that loaded it may be the last to let go of it, and frees it then.
    deadline = time.monotonic() + 5
    while not is_closed(weights) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert gone() is None
    assert is_closed(weights)
    assert not any(one.is_alive() for one in threads)


def is_closed(weights: Weights) -> bool:
    try:
        return not weights.pointer
    except ModelClosed:
        return True


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_after_a_fork_the_model_is_refused_and_not_freed(fresh, ask) -> None:
    engine = fresh()

    def child(pipe) -> None:
        try:
            ask(engine, "a", max_tokens=1)
        except EngineError as error:
            pipe.send(str(error))
        engine.close()

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
    process.start()
    process.join(20)
    assert process.exitcode == 0
    assert "fork" in ours.recv()
    assert ask(engine, "a", temperature=0, ignore_eos=True, max_tokens=3).tokens
    for end in (ours, theirs):
        end.close()
