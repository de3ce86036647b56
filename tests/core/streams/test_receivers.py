"""Where a stream can be sent: anyio streams, and the queues of threads."""

from __future__ import annotations

import queue
import threading
import time
from time import perf_counter

import anyio
import pytest
from penstock.errors import EngineError
from penstock.streams import deltas
from penstock.testing import Fail

pytestmark = pytest.mark.anyio
BROKEN = Fail(RuntimeError("broken"))


class Reader(threading.Thread):
    """A thread that reads a queue until None, with a pause before each item."""

    def __init__(self, target, pause=0.0):
        super().__init__(daemon=True)
        self.target, self.pause, self.got, self.ended = target, pause, [], False
        self.start()

    def run(self):
        while True:
            time.sleep(self.pause)
            try:
                item = self.target.get(timeout=5)
            except queue.Empty:
                return
            if item is None:
                self.ended = True
                return
            self.got.append(getattr(item, "text", item))

    async def wait(self):
        await anyio.to_thread.run_sync(self.join, 10)
        return self.ended


# anyio streams


async def test_every_item_is_sent_and_the_stream_is_closed(saying, flavour):
    send, receive = anyio.create_memory_object_stream(1)
    got = []

    async def read():
        async with receive:
            got.extend([delta.text async for delta in receive])

    async with saying(*"abc", flavour=flavour) as model, anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await model.complete("").send_to(send)
    assert got == [*"abc"]


async def test_a_receiver_that_goes_away_stops_the_engine(counting, flavour, stopped):
    made = []
    send, receive = anyio.create_memory_object_stream(0)

    async def read():
        async with receive:
            for _ in range(3):
                await receive.receive()

    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await gen.words().send_to(send)
        assert gen.completion.finish_reason == "stopped"
        await stopped(gen, made)


async def test_a_receiver_that_is_slow_slows_the_engine(counting):
    made = []
    send, receive = anyio.create_memory_object_stream(0)
    async with counting(made) as model, anyio.create_task_group() as tasks:
        tasks.start_soon(model.complete("").send_to, send)
        await receive.receive()
        await anyio.sleep(0.1)
        assert len(made) < 1000
        receive.close()


async def test_an_error_of_the_generation_closes_the_stream_and_is_raised(saying):
    send, receive = anyio.create_memory_object_stream(9)
    async with saying("a", BROKEN) as model:
        with pytest.raises(EngineError):
            await model.complete("").send_to(send)
    async with receive:
        assert [delta.text async for delta in receive] == ["a"]


# queues


async def test_a_thread_reads_every_item_and_then_none(saying, flavour):
    target = queue.Queue()
    reader = Reader(target)
    async with saying(*"abc", flavour=flavour) as model:
        await model.complete("").put_to(target)
    assert await reader.wait()
    assert reader.got == [*"abc"]


async def test_a_full_queue_slows_the_engine_and_not_the_event_loop(counting):
    made, turns = [], 0
    target = queue.Queue(2)
    async with counting(made) as model, anyio.create_task_group() as tasks:
        tasks.start_soon(model.complete("").put_to, target)
        for _ in range(20):
            await anyio.sleep(0.005)
            turns += 1
        assert target.full()
        assert len(made) < 1000
        target.get(), target.get()
        tasks.cancel_scope.cancel()
    assert turns == 20


async def test_a_slow_thread_gets_every_item(saying):
    target = queue.Queue(1)
    reader = Reader(target, pause=0.01)
    items = [f"{number} " for number in range(20)]
    async with saying(*items) as model:
        await model.complete("").words().put_to(target)
    assert await reader.wait()
    assert reader.got == items


async def test_a_thread_slower_than_any_grace_still_gets_its_end(saying, monkeypatch):
    monkeypatch.setattr(deltas, "QUEUE_GRACE", 0.05)
    target = queue.Queue(1)
    reader = Reader(target, pause=0.3)
    async with saying("a", "b") as model:
        await model.complete("").put_to(target)
    assert await reader.wait()


@pytest.mark.parametrize("size", [0, 1])
async def test_the_end_comes_behind_an_error_too(saying, size):
    target = queue.Queue(size)
    reader = Reader(target, pause=0.01)
    async with saying("a", "b", BROKEN) as model:
        with pytest.raises(EngineError):
            await model.complete("").put_to(target)
    assert await reader.wait()
    assert reader.got == ["a", "b"]


async def test_a_cancelled_put_ends_the_queue_and_stops_the_engine(counting, flavour, stopped):
    made = []
    target = queue.Queue(4)
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        reader = Reader(target, pause=0.005)
        with anyio.move_on_after(0.1):
            await gen.put_to(target)
        assert await reader.wait()
        await stopped(gen, made)


async def test_a_cancelled_put_does_not_wait_for_a_thread_that_is_gone(
    counting, stopped, monkeypatch
):
    monkeypatch.setattr(deltas, "QUEUE_GRACE", 0.05)
    made = []
    target = queue.Queue(1)
    async with counting(made) as model:
        gen = model.complete("")
        start = perf_counter()
        with anyio.move_on_after(0.05):
            await gen.put_to(target)
        assert perf_counter() - start < 1
        await stopped(gen, made)
