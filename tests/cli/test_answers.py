"""The line of figures."""

from __future__ import annotations

from dataclasses import replace

from penstock.cli.answers import statistics
from penstock.events import Completion, ContextReport, Timings, Usage


def completion(**fields) -> Completion:
    given = {
        "text": "x",
        "finish_reason": "stop",
        "usage": Usage(prompt_tokens=1, completion_tokens=48),
        "timings": Timings(ttft=0.0123, decode_tps=215.37),
    }
    return Completion(**(given | fields))


def test_tokens_speed_wait_and_reason_are_told():
    assert statistics(completion()) == (
        "[48 tokens, 215.4 tokens/s, first token after 0.012 s, stop]"
    )


def test_what_is_not_known_is_left_out():
    assert statistics(completion(timings=Timings())) == "[48 tokens, stop]"


def test_a_count_that_the_engine_did_not_make_says_so():
    usage = Usage(prompt_tokens=1, completion_tokens=48, source="estimated")
    assert statistics(completion(usage=usage, timings=Timings())) == "[48 tokens (estimated), stop]"


def test_what_of_a_conversation_was_not_sent_is_told():
    left = ContextReport(policy="drop_oldest", messages=4, turns=2)
    done = completion(context=left, timings=Timings())
    assert statistics(done) == "[48 tokens, 2 turns left out, stop]"
    done = completion(context=replace(left, summary="Hm."), timings=Timings())
    assert statistics(done) == "[48 tokens, 2 turns summarised, stop]"


def test_the_stop_sequence_is_named():
    done = completion(finish_reason="stop_sequence", stop_sequence="END", timings=Timings())
    assert statistics(done) == "[48 tokens, stop_sequence 'END']"
