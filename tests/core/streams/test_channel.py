"""The channel and its bells, under stress: bounded, nothing lost, nobody left asleep."""

from __future__ import annotations

import queue
import random
import threading
import time

import anyio
import pytest
from penstock.events import Delta
from penstock.streams.bells import Bells, LoopBell, LoopDoor, ThreadBell
from penstock.streams.channel import Channel, Outcome

pytestmark = pytest.mark.anyio
ITEMS = 5_000


def produce(channel, chance=None, high=None):
    """Put numbered deltas at full speed, as an engine's thread does."""
    for number in range(ITEMS):
        channel.put(Delta(str(number), at=number))
        if high is not None:
            high.append(len(channel._items))
        if channel.full:
            channel.wait_room(lambda: False)
        if chance is not None and chance.random() < 0.002:
            time.sleep(chance.random() * 0.002)
    channel.finish(Outcome())


async def consume(channel, chance=None):
    got = []
    while True:
        delta = channel.pop()
        if delta is not None:
            got.append(delta.at)
            if chance is not None and chance.random() < 0.002:
                await anyio.sleep(chance.random() * 0.002)
        elif channel.outcome is not None and not channel.holds:
            return got
        else:
            await channel.arrival(lambda: channel.news)


def consume_in_thread(channel, chance):
    got = []
    while True:
        delta = channel.pop()
        if delta is not None:
            got.append(delta.at)
            if chance.random() < 0.002:
                time.sleep(chance.random() * 0.002)
        elif channel.outcome is not None and not channel.holds:
            return got
        else:
            channel.wait_arrival(lambda: channel.news)


@pytest.fixture
def producing():
    """Run producers in threads, and see them end."""
    threads = []

    def start(function, *args):
        thread = threading.Thread(target=function, args=args, daemon=True)
        threads.append(thread)
        thread.start()

    yield start
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize("beat", [0.0, 0.002])
@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_between_a_thread_and_a_task(producing, seed, beat):
    channel = Channel(high_water=16)
    channel.beat = beat
    producing(produce, channel, random.Random(seed))
    with anyio.fail_after(20):
        assert await consume(channel, random.Random(-seed)) == [*range(ITEMS)]


@pytest.mark.parametrize("beat", [0.0, 0.002])
@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_between_two_threads(producing, in_thread, seed, beat):
    channel = Channel(high_water=16)
    channel.beat = beat
    producing(produce, channel, random.Random(seed))
    with anyio.fail_after(20):
        got = await in_thread(consume_in_thread, channel, random.Random(-seed))
    assert got == [*range(ITEMS)]


@pytest.mark.parametrize("beat", [0.0, 60.0])
@pytest.mark.parametrize("high_water", [1, 2, 3])
async def test_the_smallest_channels_do_not_stall(producing, high_water, beat):
    channel = Channel(high_water=high_water)
    channel.beat = beat
    producing(produce, channel)
    with anyio.fail_after(20):
        assert await consume(channel) == [*range(ITEMS)]


async def test_nothing_is_lost_between_tasks():
    channel = Channel(high_water=4)

    async def run():
        for number in range(ITEMS):
            channel.put(Delta("", at=number))
            if channel.full:
                await channel.room(lambda: False)
        channel.finish(Outcome())

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            assert await consume(channel) == [*range(ITEMS)]


async def test_a_producer_is_never_further_ahead_than_high_water(producing):
    channel, high = Channel(high_water=16), []
    producing(produce, channel, None, high)
    await anyio.sleep(0.05)
    await consume(channel)
    assert max(high) <= 16


async def test_a_producer_rests_until_half_is_read(producing):
    channel = Channel(high_water=16)
    producing(produce, channel)
    await anyio.sleep(0.05)
    for _ in range(7):
        channel.pop()
    await anyio.sleep(0.05)
    assert len(channel._items) == 9
    channel.pop()
    await anyio.sleep(0.05)
    assert len(channel._items) == 16
    await consume(channel)


@pytest.mark.parametrize("attempt", range(20))
async def test_leaving_wakes_a_waiting_producer(in_thread, attempt):
    channel = Channel(high_water=2)
    for number in range(4):
        channel.put(Delta(str(number)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(in_thread, channel.wait_room, lambda: False)
        await anyio.sleep(0.001 * (attempt % 3))
        channel.leave()


async def test_urging_wakes_a_waiting_producer(in_thread):
    channel, urged = Channel(high_water=2), []
    for number in range(4):
        channel.put(Delta(str(number)))
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(in_thread, channel.wait_room, lambda: bool(urged))
            await anyio.sleep(0.02)
            urged.append(1)
            channel.urge()


async def test_an_arrival_in_the_last_moment_is_not_missed():
    channel = Channel()

    def ready():
        channel.put(Delta("a"))  # arrives between looking and sleeping
        return False

    with anyio.fail_after(5):
        await channel.arrival(ready)


async def test_who_asks_for_what_is_there_does_not_sleep():
    with anyio.fail_after(5):
        await Channel().arrival(lambda: True)


async def test_waiting_ends_when_time_is_up():
    with anyio.fail_after(5):
        await Channel().arrival(lambda: False, 0.01)


async def test_waiting_that_is_over_leaves_no_bell_behind():
    channel = Channel()
    for _ in range(100):
        await channel.arrival(lambda: False, 0.0)
        channel.wait_arrival(lambda: False, 0.0)
    assert not channel._readers._hung


async def test_a_cancelled_producer_leaves_no_bell_behind():
    channel = Channel(high_water=2)
    for number in range(4):
        channel.put(Delta(str(number)))
    with anyio.move_on_after(0.01):
        await channel.room(lambda: False)
    assert not channel._writers._hung


async def test_leaving_is_told_once():
    channel, told = Channel(), []
    channel.on_leave(lambda: told.append(1))
    channel.leave()
    channel.leave()
    assert told == [1]


async def test_leaving_is_told_to_who_asks_late():
    channel, told = Channel(), []
    channel.leave()
    channel.on_leave(lambda: told.append(1))
    assert told == [1]


# a producer that does not wait: it is called when there is room


def crowded(high_water=4):
    channel = Channel(high_water=high_water)
    for number in range(high_water):
        channel.put(Delta(str(number)))
    assert channel.full
    return channel


async def test_a_producer_is_called_once_when_half_is_read():
    channel, called = crowded(), []
    channel.when_room(lambda: called.append(1))
    channel.pop()
    assert not called
    channel.pop()
    assert called == [1]
    channel.pop(), channel.pop(), channel.leave()
    assert called == [1]


async def test_a_producer_that_asks_where_there_is_room_is_called_at_once():
    channel, called = Channel(high_water=4), []
    channel.when_room(lambda: called.append(1))
    assert called == [1]


async def test_a_producer_that_asks_again_is_called_again():
    channel, called = crowded(2), []
    for times in range(1, 4):
        channel.when_room(lambda: called.append(1))
        channel.pop()
        assert len(called) == times
        channel.put(Delta("x"))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_producer_is_called_when_its_reader_leaves(when):
    channel, called = crowded(), []
    if when == "after":
        channel.leave()
    channel.when_room(lambda: called.append(1))
    if when == "before":
        channel.leave()
    channel.leave()
    assert called == [1]


@pytest.mark.parametrize("how", ["leave", "read"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_producer_is_called_once_if_its_reader_turns_while_it_asks(how, when):
    class Crossed(Bells):
        """The reader turns just before a bell hangs, or just after."""

        def hang(self, bell):
            if when == "after":
                super().hang(bell)
            channel.leave() if how == "leave" else (channel.pop(), channel.pop())
            if when == "before":
                super().hang(bell)

    channel, called = crowded(), []
    channel._writers = Crossed()
    channel.when_room(lambda: called.append(1))
    assert called == [1]


@pytest.mark.parametrize("how", ["leave", "read"])
def test_a_producer_is_called_once_whoever_of_two_threads_is_first(how):
    for _ in range(100):
        channel, called, start = crowded(2), [], threading.Barrier(2)

        def ask(channel=channel, called=called, start=start):
            start.wait()
            channel.when_room(lambda: called.append(1))

        def turn(channel=channel, start=start):
            start.wait()
            channel.leave() if how == "leave" else channel.pop()

        threads = [threading.Thread(target=ask), threading.Thread(target=turn)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert called == [1]


async def test_nothing_is_lost_where_the_producer_is_called(producing):
    """A thread that never waits in the channel, as that of an engine that batches."""
    channel, work, high = Channel(high_water=4), queue.SimpleQueue(), []

    def run():
        for number in range(ITEMS):
            channel.put(Delta("", at=number))
            high.append(len(channel._items))
            if channel.full:
                channel.when_room(lambda: work.put(1))
                work.get(timeout=10)
        channel.finish(Outcome())

    producing(run)
    with anyio.fail_after(20):
        assert await consume(channel) == [*range(ITEMS)]
    assert max(high) <= 4
    assert work.empty()


# bells


async def test_a_bell_wakes_a_task_from_a_thread(in_thread):
    bell = LoopBell()
    await in_thread(bell.ring)
    with anyio.fail_after(5):
        await bell.wait()


async def test_a_bell_that_rang_before_is_heard():
    bell = LoopBell()
    bell.ring()
    with anyio.fail_after(5):
        await bell.wait()


async def test_ringing_takes_every_bell_down():
    bells, rung = Bells(), [ThreadBell(), ThreadBell()]
    for bell in rung:
        bells.hang(bell)
    bells.ring()
    assert all(bell._event.is_set() for bell in rung)
    assert not bells._hung


async def test_dropping_a_bell_that_was_rung_is_harmless():
    bells, bell = Bells(), ThreadBell()
    bells.hang(bell)
    bells.ring()
    bells.drop(bell)


def test_a_bell_of_a_closed_loop_rings_in_vain(anyio_backend):
    name, options = anyio_backend

    async def make():
        return LoopBell()

    bell = anyio.run(make, backend=name, backend_options=options)
    thread = threading.Thread(target=bell.ring)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()


async def test_a_door_calls_at_once_inside_and_soon_outside(in_thread):
    door, seen = LoopDoor(), []
    door.call(lambda: seen.append(threading.get_ident()))
    assert seen == [threading.get_ident()]
    await in_thread(door.call, lambda: seen.append(threading.get_ident()))
    with anyio.fail_after(5):
        while len(seen) < 2:
            await anyio.sleep(0.001)
    assert seen[1] == threading.get_ident()


async def test_ringing_from_many_threads_wakes_every_sleeper(in_thread):
    bells, awake = Bells(), []

    async def sleep():
        bell = LoopBell()
        bells.hang(bell)
        await bell.wait()
        awake.append(1)

    def ring():
        for _ in range(200):
            bells.ring()
            time.sleep(0.0001)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(in_thread, ring)
            for _ in range(50):
                tasks.start_soon(sleep)
                await anyio.sleep(0)
            while len(awake) < 50:
                bells.ring()
                await anyio.sleep(0.001)


# who dozes


BEAT = 0.25


def fast(channel, count, gap=0.005):
    """Put deltas that come faster than the beat."""
    for number in range(count):
        channel.put(Delta(str(number), at=number))
        time.sleep(gap)


async def looked(channel, wanted):
    """Read so many deltas; return how many there were at each look."""
    looks, got = [], 0
    while got < wanted:
        await channel.arrival(lambda: channel.news)
        looks.append(0)
        while channel.pop() is not None:
            looks[-1] += 1
            got += 1
    return looks


@pytest.fixture
def beating():
    channel = Channel()
    channel.beat = BEAT
    return channel


async def test_fast_deltas_wake_a_reader_once_in_a_beat(producing, beating):
    producing(fast, beating, 60)
    looks = await looked(beating, 60)
    assert looks[:2] == [1, 1]  # the first are heard at once: nobody knows yet how fast it goes
    assert len(looks) <= 6


async def test_slow_deltas_are_heard_at_once(producing, beating):
    beating.beat = 0.02
    producing(fast, beating, 6, 0.06)
    assert await looked(beating, 6) == [1] * 6


async def test_who_dozes_hears_the_end_at_once(beating):
    fast(beating, 2)
    assert sum(await looked(beating, 2)) == 2
    async with anyio.create_task_group() as tasks:
        began = time.perf_counter()
        tasks.start_soon(lambda: beating.arrival(lambda: beating.news))
        await anyio.sleep(0.02)
        beating.put(Delta("last"))
        beating.finish(Outcome())
    assert time.perf_counter() - began < BEAT / 2


async def test_a_delta_before_a_stall_is_heard_within_the_beat(beating):
    fast(beating, 2)
    assert sum(await looked(beating, 2)) == 2
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: looked(beating, 1))
        await anyio.sleep(0.02)
        with anyio.fail_after(4 * BEAT):
            beating.put(Delta("and then nothing"))
            while beating.holds:
                await anyio.sleep(0.01)


async def test_behind_a_stall_a_reader_sleeps_until_the_next_delta(beating):
    beating.beat = 0.03
    fast(beating, 2)
    assert sum(await looked(beating, 2)) == 2
    woken = 0
    with anyio.move_on_after(0.5):
        while True:
            await beating.arrival(lambda: beating.news)
            woken += 1
    assert woken <= 3  # not once in every beat


async def test_a_full_channel_wakes_who_dozes(producing):
    channel = Channel(high_water=16)
    channel.beat = 60.0
    producing(produce, channel)
    with anyio.fail_after(20):
        assert await consume(channel) == [*range(ITEMS)]
