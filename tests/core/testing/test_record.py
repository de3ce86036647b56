"""Record: the ticket of tests, between an engine's thread and a test."""

from __future__ import annotations

import threading

import pytest
from penstock.events import Finish, Prefill, Token
from penstock.request import Request
from penstock.testing import Record

REQUEST = Request(prompt=())


@pytest.fixture
def record():
    return Record(REQUEST)


def test_it_keeps_what_is_delivered_in_order(record):
    events = [Prefill(1, 2), Token(7, b"a"), Token(8, b"b"), "c", Finish("length")]
    for event in events:
        assert record.deliver(event)
    assert record.events == events
    assert (record.ids, record.data) == ([7, 8], b"ab")
    assert record.prefills == [Prefill(1, 2)]
    assert record.finish == Finish("length")


def test_it_hands_out_its_request_and_counts_admissions(record):
    assert record.request() is REQUEST
    assert record.admit()
    record.leave()
    assert not record.admit()
    assert record.admissions == 2


def test_it_wants_so_many_events_at_most():
    record = Record(REQUEST, most=2)
    assert [record.deliver("x") for _ in range(3)] == [True, False, False]


def test_who_has_left_wants_no_more(record):
    record.leave()
    assert not record.deliver("x")


def test_waiting_raises_the_error_it_ended_with(record):
    record.end(KeyError("first"))
    record.end(ValueError("second"))
    with pytest.raises(KeyError):
        record.wait()
    assert record.endings == 2


def test_waiting_ends_with_an_end_from_another_thread(record):
    timer = threading.Timer(0.01, record.end)
    timer.start()
    record.wait(5)
    timer.join()
    assert record.ended


def test_waiting_for_an_end_that_does_not_come_tells_what_came(record):
    record.deliver("so far")
    with pytest.raises(TimeoutError, match="so far"):
        record.wait(0.01)


def test_what_comes_late_is_kept_apart(record):
    record.deliver("in time")
    record.end()
    assert not record.deliver("late")
    assert (record.events, record.late) == (["in time"], ["late"])


def test_leaving_is_told_to_who_asked_before_and_after(record):
    told = []
    record.on_leave(lambda: told.append("before"))
    record.leave()
    record.on_leave(lambda: told.append("after"))
    assert told == ["before", "after"]


def test_room_is_told_once_when_the_reader_goes_on(record):
    told = []
    record.hold()
    assert record.full
    record.when_room(lambda: told.append(1))
    assert not told
    record.go_on()
    record.go_on()
    assert told == [1]


@pytest.mark.parametrize("state", ["reading", "left"])
def test_room_is_told_at_once_where_nobody_is_behind(record, state):
    told = []
    if state == "left":
        record.leave()
        record.hold()
    record.when_room(lambda: told.append(1))
    assert told == [1]


def test_room_is_told_when_the_reader_leaves(record):
    told = []
    record.hold()
    record.when_room(lambda: told.append(1))
    record.leave()
    assert told == [1]


def test_room_is_told_once_however_many_threads_ring(record):
    for _ in range(200):
        told, start = [], threading.Barrier(4)
        record.hold()

        def ask(told=told, start=start):
            start.wait()
            record.when_room(lambda: told.append(1))

        def go_on(start=start):
            start.wait()
            record.go_on()

        threads = [threading.Thread(target=call) for call in (ask, go_on, go_on, go_on)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert told == [1]
