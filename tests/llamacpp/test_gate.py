"""Turns between two threads: who waits for whom, and what ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from penstock_llamacpp.gate import Gate


class Worker:
    """Passes the gate as often as it may, `most` times at most, and notes when."""

    def __init__(self, gate: Gate, most: int = 10**9) -> None:
        self._gate, self._most = gate, most
        self.moments: list[float] = []
        self.came = False
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def end(self) -> None:
        self._gate.stop()
        self._thread.join(5)
        assert not self._thread.is_alive()

    def _work(self) -> None:
        self.came = self._gate.come()
        while len(self.moments) < self._most and self._gate.passes():
            self.moments.append(time.perf_counter())
            time.sleep(0.0005)
        self._gate.go()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def worker(gate: Gate) -> Iterator[Worker]:
    worker = Worker(gate)
    wait_until_it_stands(gate)
    yield worker
    worker.end()


def wait_until_it_stands(gate: Gate) -> None:
    ends = time.monotonic() + 5
    while not gate.stands:
        assert time.monotonic() < ends
        time.sleep(0.0005)


def test_the_worker_works_in_its_turns_alone(gate: Gate, worker: Worker) -> None:
    assert worker.moments == []
    for _ in range(3):
        began, before = time.perf_counter(), len(worker.moments)
        gate.give(0.01)
        ended = time.perf_counter()
        time.sleep(0.005)
        done = worker.moments[before:]
        assert done
        assert began <= done[0]
        assert done[-1] <= began + 0.01 + 0.001
        assert ended - began >= 0.01


def test_a_turn_ends_when_the_work_does(gate: Gate) -> None:
    worker = Worker(gate, most=3)
    wait_until_it_stands(gate)
    began = time.perf_counter()
    gate.give(60)
    assert time.perf_counter() - began < 30
    assert len(worker.moments) == 3
    assert not gate.stands
    worker.end()


def test_it_can_be_stopped_in_its_turn(gate: Gate, worker: Worker) -> None:
    threading.Timer(0.01, gate.stop).start()
    began = time.perf_counter()
    gate.give(60)
    assert time.perf_counter() - began < 30
    assert worker.came
    assert worker.moments


def test_it_can_be_stopped_while_it_stands(gate: Gate, worker: Worker) -> None:
    gate.stop()
    gate.gone()
    assert not worker.came
    assert worker.moments == []


def test_a_stop_holds_until_the_gate_is_opened_again(gate: Gate) -> None:
    gate.stop()
    late = Worker(gate)
    gate.gone()
    late.end()
    assert not late.came
    gate.open()
    next_one = Worker(gate, most=1)
    wait_until_it_stands(gate)
    gate.give(60)
    assert next_one.came
    next_one.end()


def test_who_hears_of_an_arrival_can_give_a_turn(gate: Gate) -> None:
    """Else it would go to sleep, and nobody would wake it."""
    seen: list[bool] = []
    worker = threading.Thread(target=lambda: gate.come(lambda: seen.append(gate.stands)))
    worker.start()
    wait_until_it_stands(gate)
    gate.stop()
    worker.join(5)
    assert seen == [True]


def test_to_give_a_turn_to_nobody_takes_no_time(gate: Gate) -> None:
    began = time.perf_counter()
    gate.give(60)
    gate.gone()
    assert time.perf_counter() - began < 30
