"""The threshold of a loop: woken once for many calls, nothing lost, and gone with its loop."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections import deque

import anyio
import pytest
from anyio.lowlevel import current_token
from penstock.streams.bells import LoopBell, LoopDoor

CALLERS, CALLS = 8, 2_000


def in_threads(count, function):
    """Run `function(number)` in threads side by side, and wait for them; a loop stands still."""
    threads = [threading.Thread(target=function, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


async def until(ready):
    with anyio.fail_after(10):
        while not ready():
            await anyio.sleep(0.001)


def counting(kind):
    """Return a kind of loop that counts how often other threads wake it."""

    class CountingLoop(kind):
        wakes = 0

        def call_soon_threadsafe(self, *args, **options):
            type(self).wakes += 1
            return super().call_soon_threadsafe(*args, **options)

    return CountingLoop


@pytest.fixture(params=["asyncio", "uvloop"])
def counting_loop(request):
    if request.param == "asyncio":
        return counting(asyncio.SelectorEventLoop)
    return counting(pytest.importorskip("uvloop").Loop)


def run_on(counting_loop, main):
    return anyio.run(main, backend_options={"loop_factory": counting_loop})


def test_bells_of_many_tasks_rung_in_a_step_wake_their_loop_once(counting_loop):
    async def main():
        bells = [LoopBell() for _ in range(CALLERS)]
        in_threads(1, lambda _: [bell.ring() for bell in bells])
        with anyio.fail_after(5):
            for bell in bells:
                await bell.wait()
        return counting_loop.wakes

    assert run_on(counting_loop, main) == 1


def test_each_burst_wakes_the_loop_again(counting_loop):
    async def main():
        for burst in range(1, 6):
            bells = [LoopBell() for _ in range(CALLERS)]
            in_threads(1, lambda _, bells=bells: [bell.ring() for bell in bells])
            with anyio.fail_after(5):
                for bell in bells:
                    await bell.wait()
            assert counting_loop.wakes == burst

    run_on(counting_loop, main)


def test_threads_that_ring_at_once_wake_the_loop_once_each_at_the_most(counting_loop):
    async def main():
        door, called = LoopDoor(), []
        in_threads(CALLERS, lambda _: [door.call(lambda: called.append(1)) for _ in range(CALLS)])
        await until(lambda: len(called) == CALLERS * CALLS)
        return counting_loop.wakes

    assert 1 <= run_on(counting_loop, main) <= CALLERS


@pytest.mark.anyio
async def test_nothing_is_lost_or_turned_round_under_contention():
    door, called, on = LoopDoor(), [], set()

    def take(number, at):
        called.append((number, at))
        on.add(threading.get_ident())

    def leave(number):
        for at in range(CALLS):
            door.call(lambda at=at: take(number, at))

    threads = [threading.Thread(target=leave, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    await until(lambda: len(called) >= CALLERS * CALLS)  # the loop takes while threads leave more
    for thread in threads:
        thread.join(10)
    for number in range(CALLERS):
        assert [at for who, at in called if who == number] == [*range(CALLS)]
    assert len(called) == CALLERS * CALLS
    assert on == {threading.get_ident()}


@pytest.mark.anyio
async def test_a_call_left_while_the_loop_takes_others_is_taken_once():
    door, called = LoopDoor(), []

    def first():
        called.append("first")
        in_threads(1, lambda _: door.call(lambda: called.append("second")))

    in_threads(1, lambda _: door.call(first))
    await until(lambda: len(called) >= 2)
    await anyio.sleep(0.02)
    assert called == ["first", "second"]


@pytest.mark.anyio
async def test_a_call_left_when_the_loop_has_just_taken_the_last_is_taken():
    door, called = LoopDoor(), []

    class Crossed(deque):
        """Found empty by the loop; before it turns away, another thread leaves a call."""

        crossed = False

        def __bool__(self):
            if len(self):
                return True
            if not self.crossed:
                self.crossed = True
                in_threads(1, lambda _: door.call(lambda: called.append("second")))
            return False

    door._threshold._calls = Crossed()
    in_threads(1, lambda _: door.call(lambda: called.append("first")))
    await until(lambda: len(called) == 2)
    assert called == ["first", "second"]


@pytest.mark.anyio
async def test_a_call_is_taken_though_the_loop_took_all_others_while_it_was_left():
    door, called = LoopDoor(), []
    leaving, taken = threading.Event(), threading.Event()

    class Crossed(deque):
        """The second call comes to lie here only after the loop has taken the first."""

        def append(self, call):
            if len(self):
                leaving.set()
                assert taken.wait(5)
            super().append(call)

    def first():
        called.append("first")
        taken.set()

    door._threshold._calls = Crossed()
    in_threads(1, lambda _: door.call(first))
    thread = threading.Thread(target=door.call, args=(lambda: called.append("second"),))
    thread.start()
    assert leaving.wait(5)  # the loop stands still until then
    await until(lambda: len(called) == 2)
    thread.join(5)
    assert called == ["first", "second"]


@pytest.mark.anyio
async def test_the_doors_of_a_loop_share_a_threshold():
    assert LoopDoor()._threshold is LoopDoor()._threshold


def test_other_loops_have_other_thresholds(anyio_backend):
    name, options = anyio_backend

    async def made():
        return LoopDoor()._threshold

    first, second = (anyio.run(made, backend=name, backend_options=options) for _ in range(2))
    assert first is not second


def test_calls_for_a_closed_loop_are_dropped(anyio_backend):
    name, options = anyio_backend
    kept, called = [], []

    async def made():
        kept.append(current_token().native_token)  # closed, but not forgotten
        return LoopDoor()

    door = anyio.run(made, backend=name, backend_options=options)
    in_threads(CALLERS, lambda _: [door.call(lambda: called.append(1)) for _ in range(100)])
    assert not door._threshold._calls
    assert not called


def test_calls_for_a_loop_that_is_gone_are_dropped(anyio_backend):
    name, options = anyio_backend

    async def made():
        return LoopDoor(), weakref.ref(current_token().native_token)

    door, loop = anyio.run(made, backend=name, backend_options=options)
    gc.collect()
    assert loop() is None, "a threshold keeps its loop"
    in_threads(1, lambda _: door.call(list))
    assert not door._threshold._calls
