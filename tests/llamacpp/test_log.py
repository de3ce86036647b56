"""llama.cpp's log becomes whole lines at the right level, and cannot raise into C."""

from __future__ import annotations

import logging
import threading

import pytest
from penstock_llamacpp.log import NativeLog

DEBUG, INFO, WARN, ERROR, CONT = 1, 2, 3, 4, 5


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> NativeLog:
    caplog.set_level(logging.DEBUG)
    return NativeLog(logging.getLogger("penstock.test"))


def test_levels_are_those_of_ggml_today(log: NativeLog, caplog) -> None:
    for level in (DEBUG, INFO, WARN, ERROR):
        log(level, b"said\n")
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR]


def test_a_line_that_comes_in_parts_is_joined(log: NativeLog, caplog) -> None:
    for level, text in [(WARN, b"one "), (CONT, b"two"), (CONT, b" three\nnext"), (CONT, b"\n")]:
        log(level, text)
    assert caplog.messages == ["one two three", "next"]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_new_message_ends_an_unfinished_line(log: NativeLog, caplog) -> None:
    log(INFO, b"....")
    log(ERROR, b"broken\n")
    assert caplog.messages == ["....", "broken"]


def test_errors_are_kept_until_forgotten(log: NativeLog) -> None:
    log(ERROR, b"first\n")
    log(INFO, b"no matter\n")
    log(ERROR, b"second\n")
    assert log.errors() == "first; second"
    log.forget()
    assert log.errors() == ""


def test_errors_belong_to_the_thread_that_made_them(log: NativeLog) -> None:
    thread = threading.Thread(target=log, args=(ERROR, b"elsewhere\n"))
    thread.start()
    thread.join()
    assert log.errors() == ""


def test_nothing_raises(log: NativeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(logging.Logger, "log", fail)
    log(ERROR, b"\xff\xfe\n")
    log(77, None)


def test_lines_are_heard_while_it_is_asked_for_and_on_this_thread_only() -> None:
    log = NativeLog(logging.getLogger("penstock.test.heard"))
    log(2, b"before\n")
    with log.heard() as lines:
        log(2, b"  a line  \n")
        log(1, b"a detail\n")
        other = threading.Thread(target=log, args=(2, b"elsewhere\n"))
        other.start()
        other.join()
        with log.heard() as inner:
            log(4, b"an error\n")
        log(2, b"in ")
        log(5, b"parts\n")
    log(2, b"after\n")
    assert lines == ["a line", "in parts"]
    assert inner == ["an error"]
