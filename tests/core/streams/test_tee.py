"""Tee: one generation, several readers."""

from __future__ import annotations

import random
import time

import anyio
import pytest
from penstock.errors import EngineError, StreamClosed, UsageError
from penstock.request import Deadlines
from penstock.streams import Stage
from penstock.streams.tee import LEAD
from penstock.testing import Fail, Pause

pytestmark = pytest.mark.anyio
MANY = [f"{number} " for number in range(4 * LEAD)]


async def gather(into, stream, pause=0.0):
    async for item in stream:
        into.append(getattr(item, "text", item))
        if pause:
            await anyio.sleep(pause)


async def test_two_loops_get_the_same_deltas(saying, flavour):
    one, two = [], []
    async with saying(*MANY, flavour=flavour) as model:
        first, second = model.complete("").tee()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gather, one, first)
            tasks.start_soon(gather, two, second)
    assert one == two == MANY


async def test_a_slow_loop_slows_the_other_and_loses_nothing(saying, flavour):
    one, two = [], []
    async with saying(*MANY, flavour=flavour) as model:
        first, second = model.complete("").tee()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gather, one, first)
            tasks.start_soon(gather, two, second, 0.0001)
    assert one == two == MANY


async def test_the_fastest_is_at_most_so_many_items_ahead(counting, flavour):
    made, one = [], []
    async with counting(made, flavour=flavour) as model:
        first, second = model.complete("").tee()
        with anyio.move_on_after(0.2):
            await gather(one, first)
        assert len(one) == LEAD
        del second


async def test_waiting_for_a_slow_reader_lets_the_event_loop_run(counting, flavour):
    made, one, turns = [], [], []

    async def turn():
        for _ in range(10):
            await anyio.sleep(0.005)
            turns.append(1)

    async with counting(made, flavour=flavour) as model:
        first, second = model.complete("").tee()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gather, one, first)
            await turn()
            tasks.cancel_scope.cancel()
        del second
    assert len(turns) == 10


async def test_one_that_leaves_holds_nobody_up(saying, flavour):
    async with saying(*MANY, flavour=flavour) as model:
        first, second = model.complete("").tee()
        async for _ in first:
            break
        got = []
        await gather(got, second)
    assert got == MANY


async def test_one_that_leaves_late_frees_the_one_that_waits_for_it(saying):
    got = []

    async def leave_late(stream):
        async for _ in stream:
            await anyio.sleep(0.05)
            break

    async with saying(*MANY) as model:
        first, second = model.complete("").tee()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gather, got, first)
            tasks.start_soon(leave_late, second)
    assert got == MANY


async def test_one_that_is_dropped_unread_holds_nobody_up(saying):
    async with saying(*MANY) as model:
        first, second = model.complete("").tee()
        del second
        got = []
        await gather(got, first)
    assert got == MANY


async def test_the_engine_stops_when_all_have_left(counting, flavour, stopped):
    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        for branch in gen.tee(3):
            async for _ in branch:
                break
        assert gen.completion.finish_reason == "stopped"
        await stopped(gen, made)


async def test_the_engine_goes_on_while_one_reads(counting):
    made = []
    async with counting(made) as model:
        gen = model.complete("")
        first, second = gen.tee()
        async for _ in first:
            break
        assert not gen.ended
        assert [delta.text async for delta in second.take(3)] == ["0 ", "1 ", "2 "]
        assert gen.ended


async def test_an_error_reaches_every_reader_behind_what_came_before_it(saying):
    async with saying("a", "b", Fail(RuntimeError("broken"))) as model:
        for branch in model.complete("").tee():
            got = []
            with pytest.raises(EngineError) as caught:
                await gather(got, branch)
            assert got == ["a", "b"]
            assert caught.value.partial.text == "ab"


async def test_each_reader_has_stages_of_its_own(saying):
    async with saying("one two. ", "three") as model:
        first, second = model.complete("").tee()
        assert await first.words().collect() == ["one ", "two. ", "three"]
        assert await second.sentences().collect() == ["one two. ", "three"]


async def test_words_can_be_teed(saying):
    async with saying("one tw", "o") as model:
        first, second = model.complete("").words().tee()
        assert await first.collect() == await second.collect() == ["one ", "two"]


async def test_a_buffer_before_a_tee_passes_on_by_time(saying):
    async with saying("a", Pause(60)) as model:
        first, second = model.complete("").buffered(seconds=0.05).tee()
        with anyio.fail_after(2):
            assert (await anext(aiter(first))).text == (await anext(aiter(second))).text == "a"


async def test_a_branch_is_read_once(saying):
    async with saying("a") as model:
        first, _second = model.complete("").tee()
        await first.collect()
        with pytest.raises(StreamClosed):
            await first.collect()


async def test_a_teed_stream_cannot_be_read_itself(saying):
    async with saying("a") as model:
        gen = model.complete("")
        branches = gen.tee()
        with pytest.raises(StreamClosed):
            aiter(gen)
        await branches[0].collect()


async def test_tee_of_none_is_refused(saying):
    async with saying("a") as model:
        gen = model.complete("")
        with pytest.raises(UsageError, match="0"):
            gen.tee(0)
        await gen


@pytest.mark.parametrize("seed", range(4))
async def test_threads_read_branches_side_by_side(saying, flavour, seed, in_thread):
    got = {}

    def read(name, stream):
        chance = random.Random(f"{name}{seed}")
        got[name] = texts = []
        for delta in stream:
            texts.append(delta.text)
            if chance.random() < 0.01:
                time.sleep(0.0005)

    async with saying(*MANY, flavour=flavour) as model:
        branches = model.complete("").tee(3)
        async with anyio.create_task_group() as tasks:
            for name, branch in enumerate(branches):
                tasks.start_soon(in_thread, read, name, branch)
    assert list(got.values()) == [MANY] * 3


async def test_a_thread_and_a_task_read_side_by_side(saying, flavour, in_thread):
    one, two = [], []

    def read(stream):
        two.extend(delta.text for delta in stream)

    async with saying(*MANY, flavour=flavour) as model:
        first, second = model.complete("").tee()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(in_thread, read, second)
            tasks.start_soon(gather, one, first)
    assert one == two == MANY


class Slow(Stage):
    """A stage that gives its readers time to get in each other's way."""

    def feed(self, item):
        time.sleep(0.0001)
        return (item,)


async def test_a_source_is_polled_by_one_reader_at_a_time(saying, in_thread):
    got = {}

    def read(name, stream):
        got[name] = [delta.text for delta in stream]

    async with saying(*MANY) as model:
        branches = [*model.complete("").through(Slow()).tee()]
        async with anyio.create_task_group() as tasks:
            for name, branch in enumerate(branches):
                tasks.start_soon(in_thread, read, name, branch)
    assert got[0] == got[1] == MANY


async def test_the_fast_reader_goes_on_with_each_item_the_slow_one_takes(counting, flavour):
    one = []
    async with counting([], flavour=flavour) as model:
        first, second = model.complete("").tee()
        slow = aiter(second)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gather, one, first)
            with anyio.fail_after(5):
                for taken in range(4):
                    while len(one) < LEAD + taken:
                        await anyio.sleep(0.001)
                    await anyio.sleep(0.01)
                    assert len(one) == LEAD + taken
                    await anext(slow)
            tasks.cancel_scope.cancel()


async def test_a_deadline_that_passes_while_one_waits_for_the_other_keeps_no_core_busy(saying):
    async with saying(*MANY) as model:
        gen = model.complete("", deadlines=Deadlines(idle=0.05))
        first, second = gen.tee()
        busy = time.process_time()
        with anyio.move_on_after(1) as waited:
            await gather([], first)
        assert waited.cancelled_caught
        assert time.process_time() - busy < 0.5
        assert len(await second.collect()) == len(MANY)
