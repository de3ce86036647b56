"""The batching echo by itself: steps, places, the queue, readers who are behind or leave."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest
from penstock.errors import BackendBug, EngineError, ModelClosed, QueueFull
from penstock.events import Finish
from penstock.messages import as_segments
from penstock.request import Request
from penstock.testing import EchoBatchEngine, Fail, Pause, Record, Stall

ENDLESS = 100_000


def request(text):
    return Request(prompt=as_segments(text))


def endless(request):
    for number in range(ENDLESS):
        yield f"{request.text}{number}"


def paced(request):
    for number in range(ENDLESS):
        yield Pause(0.0005)
        yield f"{request.text}{number}"


def stalled(request):
    return ["x", Stall()]


def until(ready):
    ends = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < ends
        time.sleep(0.0005)


@pytest.fixture
def engine():
    """`engine(script, parallel=2)` is one that is closed when the test ends."""
    made = []

    def make(script, kind=EchoBatchEngine, **settings):
        made.append(kind(script, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
        assert not one._thread.is_alive()


def submit(engine, *names):
    records = [Record(request(name)) for name in names]
    for record in records:
        engine.submit(record)
    return records


def test_a_script_is_delivered_in_order_and_ended_once(engine):
    (record,) = submit(engine(lambda request: ["a", Pause(0.001), "b", Finish("length")]), "x")
    record.wait(5)
    assert record.events == ["a", "b", Finish("length")]
    assert (record.admissions, record.endings, record.late) == (1, 1, [])


def test_in_a_step_every_stream_that_runs_gets_its_next_event(engine):
    opened, made = threading.Event(), []

    def script(request):
        if request.text == "gate":
            opened.wait(5)
            return
        for number in range(4):
            made.append(request.text + str(number))
            yield "x"

    one = engine(script, parallel=4)
    records = submit(one, "gate", "a", "b", "c")
    opened.set()
    for record in records:
        record.wait(5)
    assert made == [name + str(number) for number in range(4) for name in "abc"]


def test_no_more_run_at_once_than_there_are_places(engine):
    one = engine(paced, parallel=3)
    records = submit(one, *"abcde")
    until(lambda: all(len(record.events) > 20 for record in records[:3]))
    assert one.activity().running == 3
    assert one.activity().tokens >= 60
    assert [record.admissions for record in records] == [1, 1, 1, 0, 0]


def test_the_queue_is_served_in_order_of_arrival(engine):
    begun = []

    def script(request):
        begun.append(request.text)
        return ["x"] * 3

    for record in submit(engine(script, parallel=2), *"abcdefgh"):
        record.wait(5)
    assert begun == [*"abcdefgh"]


def test_a_full_queue_refuses_until_one_has_ended(engine):
    one = engine(stalled, parallel=1, queue_limit=1)
    first, _second = submit(one, "a", "b")
    with pytest.raises(QueueFull, match="2 generations"):
        submit(one, "c")
    first.leave()
    first.wait(5)
    submit(one, "d")


def test_a_reader_who_is_behind_is_left_out_and_loses_nothing(engine):
    one = engine(paced, parallel=2)
    slow, quick = submit(one, "a", "b")
    until(lambda: len(slow.events) > 5)
    slow.hold()
    until(lambda: one.activity().running == 1)
    before, others = len(slow.events), len(quick.events)
    until(lambda: len(quick.events) > others + 20)
    assert len(slow.events) == before
    slow.go_on()
    until(lambda: len(slow.events) > before + 20)
    assert slow.events == [f"a{number}" for number in range(len(slow.events))]


def test_a_reader_who_is_behind_gives_up_the_only_place_and_is_the_next_to_have_it(engine):
    one = engine(paced, parallel=1)
    slow, other, last = submit(one, "a", "b", "c")
    until(lambda: slow.events)
    slow.hold()
    until(lambda: other.events)
    before = len(slow.events)
    slow.go_on()
    assert not last.events
    other.leave()
    until(lambda: len(slow.events) > before)
    assert not last.events


def test_leaving_ends_a_stream_wherever_it_is(engine):
    one = engine(lambda request: stalled(request) if request.text == "stalls" else endless(request))
    stalls, rests, runs = submit(one, "stalls", "rests", "runs")
    rests.hold()
    until(lambda: stalls.events and runs.events and one.activity().running == 2)
    for record in (stalls, rests, runs):
        record.leave()
        record.wait(5)
        assert (record.endings, record.late) == (1, [])
    assert one.activity().running == 0


def test_leaving_the_queue_needs_no_place(engine):
    one = engine(stalled, parallel=1)
    first, second, third = submit(one, *"abc")
    second.leave()
    second.wait(5)
    assert second.admissions == 0
    first.leave()
    until(lambda: third.events)


def test_who_left_before_is_ended(engine):
    one, record = engine(endless), Record(request("x"))
    record.leave()
    one.submit(record)
    record.wait(5)
    assert record.endings == 1


def test_an_error_ends_its_own_stream_only(engine):
    def script(request):
        return [Fail(KeyError("broken"))] if request.text == "bad" else paced(request)

    bad, good = submit(engine(script), "bad", "good")
    with pytest.raises(KeyError):
        bad.wait(5)
    until(lambda: len(good.events) > 20)
    assert not good.ended


def test_a_request_that_cannot_be_made_ends_its_own_stream_only(engine):
    class Unready(Record):
        def request(self):
            raise EngineError("no template")

    one, unready = engine(paced), Unready(request("x"))
    (good,) = submit(one, "good")
    one.submit(unready)
    with pytest.raises(EngineError):
        unready.wait(5)
    until(lambda: len(good.events) > 20)


def test_an_event_that_is_refused_ends_its_own_stream_only(engine):
    class Strict(Record):
        def deliver(self, event):
            raise BackendBug("not an event")

    one, strict = engine(paced), Strict(request("x"))
    one.submit(strict)
    with pytest.raises(BackendBug):
        strict.wait(5)
    (good,) = submit(one, "good")
    until(lambda: good.events)


def test_closing_ends_all_and_takes_no_more():
    engine = EchoBatchEngine(paced, parallel=2)
    runs, rests, waits, waits_too = records = submit(engine, *"abcd")
    rests.hold()
    until(lambda: runs.events and waits.events)
    engine.close()
    for record in records:
        with pytest.raises(ModelClosed, match="during the generation"):
            record.wait(0)
        assert record.endings == 1
    assert not engine._thread.is_alive()
    with pytest.raises(ModelClosed):
        submit(engine, "e")
    assert not waits_too.late


def test_it_sleeps_while_there_is_nothing_to_do(engine):
    class Counting(EchoBatchEngine):
        turns = 0

        def _step(self, now):
            self.turns += 1
            super()._step(now)

    def script(request):
        return stalled(request) if request.text == "stalls" else ["x"] * 9

    one = engine(script, kind=Counting)
    stalls, rests = Record(request("stalls")), Record(request("rests"))
    rests.hold()
    for record in (stalls, rests):
        one.submit(record)
    until(lambda: stalls.events and rests.events and one.activity().running == 1)
    time.sleep(0.02)
    before = one.turns
    time.sleep(0.05)
    assert one.turns == before


def test_an_idle_engine_holds_no_request(engine):
    one = engine(lambda request: ["x"])
    (record,) = submit(one, "a")
    record.wait(5)
    kept = weakref.ref(record)
    del record
    until(one._inbox.empty)
    gc.collect()
    until(lambda: kept() is None)


def test_generations_from_many_threads_are_all_run(engine):
    one, done = engine(lambda request: [request.text] * 5, parallel=4, queue_limit=1000), []

    def run(number):
        records = submit(one, *(f"{number}.{at} " for at in range(30)))
        for record in records:
            record.wait(10)
            done.append((record.request().text, record.events))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(done) == 180
    assert all(events == [text] * 5 for text, events in done)
