"""The pump of batching engines: what it hands on, and that nobody is left at the end."""

from __future__ import annotations

import time

import anyio
import pytest
from penstock.errors import EngineError, ModelClosed, QueueFull
from penstock.request import Request, Sampling
from penstock.streams.batch_pump import BatchPump
from penstock.streams.bells import CallBell
from penstock.streams.job import Job
from penstock.streams.pumps import pump_for
from penstock.testing import EchoBatchEngine, Pause, Stall, hosted
from penstock.testing.broken_batch import MENDED, NEVER_ENDS

pytestmark = pytest.mark.anyio


class Kaputt(Exception):
    """An engine's own error."""


class RefusingEngine(EchoBatchEngine):
    """Fails where it should only take."""

    def submit(self, ticket):
        raise Kaputt("no")


class ShakyEngine(EchoBatchEngine):
    """Fails at its close, slowly; counts how often it is closed."""

    closings = 0

    def close(self):
        self.closings += 1
        time.sleep(0.1)
        super().close()
        raise Kaputt("on closing")


def script(request):
    """Say a, and then nothing."""
    return ["a", Stall()]


def short(request):
    return ["a", "b"]


def job():
    return Job(Request(prompt=()), Sampling())


async def ended(job):
    with anyio.fail_after(5):
        while job.channel.outcome is None:
            await anyio.sleep(0.001)
    return job.channel.outcome.error


async def test_a_batching_engine_gets_this_pump():
    engine = EchoBatchEngine(short)
    async with anyio.create_task_group() as tasks:
        pump = pump_for(engine, tasks)
        assert isinstance(pump, BatchPump)
        await pump.aclose()


async def test_it_forgets_what_has_ended():
    pump = BatchPump(EchoBatchEngine(short))
    jobs = [job() for _ in range(20)]
    for one in jobs:
        pump.start(one)
    for one in jobs:
        assert await ended(one) is None
    with anyio.fail_after(5):
        while pump._live:
            await anyio.sleep(0.001)
    await pump.aclose()


async def test_a_full_queue_is_told_at_the_first_read_and_passes():
    engine = EchoBatchEngine(script, parallel=1, queue_limit=1)
    async with hosted(engine) as model:
        first, second = model.complete("1"), model.complete("2")
        async with first, second:
            third = model.complete("3")
            with pytest.raises(QueueFull, match="2 generations") as caught:
                async for _ in third:
                    pass
            assert caught.value.retryable
            assert caught.value.partial is third.completion
            assert third.completion.finish_reason == "error"
            await third.idle()
        async for delta in model.complete("4"):
            assert delta.text == "a"
            break


async def test_a_refused_job_is_not_kept():
    pump = BatchPump(EchoBatchEngine(script, parallel=1, queue_limit=0))
    running = job()
    pump.start(running)
    with pytest.raises(QueueFull):
        pump.start(job())
    assert pump._live == {running}
    await pump.aclose()


async def test_an_engine_that_fails_in_submit_fails_its_generation_only_with_our_error():
    async with hosted(RefusingEngine()) as model:
        for _ in range(2):
            gen = model.complete("x")
            with anyio.fail_after(5), pytest.raises(EngineError) as caught:
                await gen
            assert isinstance(caught.value.__cause__, Kaputt)
            await gen.idle()


async def test_jobs_for_a_closed_pump_are_refused():
    pump = BatchPump(EchoBatchEngine(short))
    await pump.aclose()
    with pytest.raises(ModelClosed):
        pump.start(job())


async def test_closing_ends_what_runs_waits_and_rests():
    def endless(request):
        while True:
            yield "x"

    pump = BatchPump(EchoBatchEngine(endless, parallel=2))
    jobs = [job() for _ in range(5)]
    for one in jobs:
        pump.start(one)
    with anyio.fail_after(5):
        while sum(one.full for one in jobs) < 5:  # those that rest make place for the others
            await anyio.sleep(0.001)
    more = [job() for _ in range(3)]
    for one in more:
        pump.start(one)
    await pump.aclose()
    for one in (*jobs, *more):
        assert isinstance(one.channel.outcome.error, ModelClosed)
        assert one.channel.idle
    assert not pump._live


@pytest.mark.parametrize("faulty", [MENDED[1], NEVER_ENDS], ids=lambda faulty: faulty.fault)
async def test_what_the_engine_forgets_at_its_close_is_ended(faulty):
    pump = BatchPump(faulty.engine(script))
    jobs = [job() for _ in range(3)]
    for one in jobs:
        pump.start(one)
    await pump.aclose()
    for one in jobs:
        assert isinstance(one.channel.outcome.error, ModelClosed)


async def test_an_engine_that_fails_at_its_close_leaves_nobody_waiting():
    engine = ShakyEngine(script)
    pump, waiting = BatchPump(engine), job()
    pump.start(waiting)
    with pytest.raises(Kaputt):
        await pump.aclose()
    assert waiting.channel.idle
    await pump.aclose()
    assert engine.closings == 1


async def test_the_loop_turns_while_the_engine_is_closed():
    pump, turns = BatchPump(ShakyEngine(short)), 0

    async def turn():
        nonlocal turns
        while True:
            await anyio.sleep(0.005)
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turn)
        with pytest.raises(Kaputt):
            await pump.aclose()
        tasks.cancel_scope.cancel()
    assert turns > 3


async def test_a_cancelled_close_is_finished():
    engine = EchoBatchEngine(script)
    pump, waiting = BatchPump(engine), job()
    pump.start(waiting)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await pump.aclose()
    assert isinstance(waiting.channel.outcome.error, ModelClosed)
    assert not engine._thread.is_alive()


async def test_it_tells_how_many_run():
    pump = BatchPump(EchoBatchEngine(script, parallel=2))
    jobs = [job() for _ in range(3)]
    for one in jobs:
        pump.start(one)
    with anyio.fail_after(5):
        while pump.running < 2:
            await anyio.sleep(0.001)
    for one in jobs:
        one.channel.leave()
    with anyio.fail_after(5):
        while pump.running:
            await anyio.sleep(0.001)
    await pump.aclose()


async def test_jobs_come_from_any_thread(in_thread):
    pump = BatchPump(EchoBatchEngine(short, parallel=3, queue_limit=1000))
    jobs = [[job() for _ in range(50)] for _ in range(4)]

    def start(some):
        for one in some:
            pump.start(one)

    async with anyio.create_task_group() as tasks:
        for some in jobs:
            tasks.start_soon(in_thread, start, some)
    for one in (one for some in jobs for one in some):
        assert await ended(one) is None
        assert [one.channel.pop().text, one.channel.pop().text] == ["a", "b"]
    await pump.aclose()


async def test_what_comes_after_the_end_counts_for_nothing():
    done = job()
    assert done.deliver("a")
    done.end()
    assert not done.deliver("b")
    assert done.channel.pop().text == "a"
    assert done.channel.pop() is None


async def test_what_comes_after_the_end_of_one_that_was_left_is_not_kept():
    left = job()
    left.channel.leave()
    left.end()
    assert not left.deliver("b")
    assert not left.channel.holds


async def test_what_is_delivered_quietly_wakes_nobody():
    quiet, woken = job(), []
    quiet.channel._readers.hang(CallBell(lambda: woken.append(1)))
    quiet.deliver("a", quietly=True)
    assert not woken
    assert quiet.channel.pop().text == "a"


@pytest.mark.parametrize("how", ["loudly", "wake", "when_room", "end"])
async def test_a_reader_who_sleeps_beside_what_came_quietly_is_woken(how):
    quiet = job()
    calls = {
        "loudly": lambda: quiet.deliver("b"),
        "wake": quiet.wake,
        "when_room": lambda: quiet.when_room(list),
        "end": quiet.end,
    }
    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(5):
            tasks.start_soon(quiet.channel.arrival, lambda: False)
            while not quiet.channel._readers._hung:
                await anyio.sleep(0)
            quiet.deliver("a", quietly=True)
            calls[how]()
    assert quiet.channel.pop().text == "a"


async def test_an_end_is_told_once():
    told, one = [], job()
    one.on_end = told.append
    one.end(Kaputt("first"))
    one.end()
    assert told == [one]
    assert isinstance(one.channel.outcome.error, EngineError)


async def test_many_readers_in_tasks_and_threads_read_all(in_thread):
    def paced(request):
        for number in range(40):
            yield Pause(0.001)
            yield f"{request.text}{number} "

    got = {}

    async def read(model, name):
        got[name] = [delta.text async for delta in model.complete(name)]

    def read_in_thread(model, name):
        got[name] = [delta.text for delta in model.complete(name)]

    engine = EchoBatchEngine(paced, parallel=4)
    async with hosted(engine) as model, anyio.create_task_group() as tasks:
        for name in "abcd":
            tasks.start_soon(read, model, name)
        for name in "efgh":
            tasks.start_soon(in_thread, read_in_thread, model, name)
    for name in "abcdefgh":
        assert "".join(got[name]) == "".join(f"{name}{number} " for number in range(40))
