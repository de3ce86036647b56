"""Python's switch interval is short while a model generates, and what it was afterwards."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from penstock_llamacpp.switching import Eagerness


@pytest.fixture(autouse=True)
def usual() -> Iterator[float]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.004)
    yield 0.004
    sys.setswitchinterval(before)


def now() -> float:
    return round(sys.getswitchinterval(), 5)


def test_the_last_holder_restores_it() -> None:
    eagerness, one, other = Eagerness(0.0002), object(), object()
    eagerness.enter(one)
    eagerness.enter(one)
    eagerness.enter(other)
    assert now() == 0.0002
    eagerness.leave(one)
    assert now() == 0.0002
    eagerness.leave(other)
    eagerness.leave(other)
    assert now() == 0.004


def test_what_is_shorter_already_stays() -> None:
    sys.setswitchinterval(0.0001)
    eagerness, holder = Eagerness(0.0002), object()
    eagerness.enter(holder)
    assert now() == 0.0001
    eagerness.leave(holder)
    assert now() == 0.0001


def test_a_model_at_work_asks_for_it_and_one_at_rest_does_not(pocket: Path, fresh, submit) -> None:
    engine = fresh(pocket)
    record = submit(engine, "Once upon a time", ignore_eos=True)
    while not record.tokens:
        time.sleep(0.001)
    assert now() < 0.001
    record.leave()
    record.wait()
    ends = time.monotonic() + 5
    while now() != 0.004:
        assert time.monotonic() < ends
        time.sleep(0.001)


def test_a_model_that_is_closed_at_work_gives_it_back(pocket: Path, fresh, submit) -> None:
    engine = fresh(pocket)
    record = submit(engine, "Once upon a time", ignore_eos=True)
    while not record.tokens:
        time.sleep(0.001)
    engine.close()
    assert now() == 0.004


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has the slack, and tells it")
def test_the_thread_that_generates_waits_no_longer_than_it_should(pocket: Path, fresh, ask) -> None:
    engine = fresh(pocket)
    ask(engine, "Once upon a time", max_tokens=3)
    (thread,) = (one for one in threading.enumerate() if one.name == "penstock llama.cpp")
    slack = Path(f"/proc/{thread.native_id}/timerslack_ns")
    assert int(slack.read_text()) == 1000
