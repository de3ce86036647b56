"""Every figure of `Timings`, on traces made by hand, and which deadline comes next."""

from __future__ import annotations

import pytest
from penstock.errors import DeadlineExceeded
from penstock.events import Delta, Finish, Prefill, Timings, Token, Usage
from penstock.request import Deadlines, Sampling
from penstock.streams import Assembly, Trace
from penstock.streams.deadlines import Patience


@pytest.fixture
def trace():
    """Taken up at 12, a prompt of 40 in two chunks, tokens at 16, 17 and 20; all from 10 to 21."""
    trace = Trace(submitted=10.0)
    trace.admit(12.0)
    trace.progress(13.0, 20)
    trace.progress(15.0, 40)
    trace.token(16.0, 1)
    trace.token(17.0, 1)
    trace.text(17.0)
    trace.token(20.0, 1)
    trace.text(20.0)
    trace.finish(21.0)
    return trace


def test_queue_is_from_submitting_to_being_taken_up(trace):
    assert trace.timings().queue == 2.0


def test_ttft_is_from_submitting_to_the_first_token(trace):
    assert trace.timings().ttft == 6.0


def test_ttfo_is_from_submitting_to_the_first_visible_text(trace):
    assert trace.timings().ttfo == 7.0


def test_itl_is_the_time_between_tokens_without_the_first(trace):
    assert trace.timings().itl == 2.0


def test_e2e_is_from_submitting_to_the_end(trace):
    assert trace.timings().e2e == 11.0


def test_prefill_tps_is_what_was_evaluated_of_the_prompt_in_the_time_to_the_first_token(trace):
    assert trace.timings().prefill_tps == 10.0


def test_decode_tps_is_one_by_itl(trace):
    assert trace.timings().decode_tps == 0.5


def test_what_never_happened_is_none():
    assert Trace(submitted=1.0).timings() == Timings()


def test_one_token_has_no_time_between_tokens():
    trace = Trace(submitted=0.0)
    trace.token(1.0, 1)
    assert (trace.timings().itl, trace.timings().decode_tps) == (None, None)


def test_a_burst_counts_as_many_tokens_as_it_has():
    trace = Trace(submitted=0.0)
    trace.token(1.0, 1)
    trace.token(5.0, 8)
    assert trace.timings().itl == 0.5


def test_tokens_at_the_same_moment_have_no_rate():
    trace = Trace(submitted=0.0)
    trace.token(1.0, 2)
    assert (trace.timings().itl, trace.timings().decode_tps) == (0.0, None)


def test_a_chunk_without_tokens_counts_for_no_figure(trace):
    before = trace.timings()
    trace.token(30.0, 0)
    assert trace.timings() == before


def test_a_chunk_without_tokens_is_not_the_first_token():
    trace = Trace(submitted=0.0)
    trace.token(1.0, 0)
    assert trace.timings().ttft is None


def test_the_first_end_counts(trace):
    trace.finish(99.0)
    assert trace.timings().e2e == 11.0


def test_tokens_reused_from_a_cache_were_not_evaluated():
    trace = Trace(submitted=0.0)
    assembly = Assembly(Sampling(), trace=trace)
    trace.admit(1.0)
    assembly.feed(Prefill(40, 40, cached=30))
    assembly.feed(Token(1, b"a", 3.0))
    assert trace.timings().prefill_tps == 5.0


def test_a_prompt_that_was_reused_whole_has_no_rate():
    trace = Trace(submitted=0.0)
    assembly = Assembly(Sampling(), trace=trace)
    trace.admit(1.0)
    assembly.feed(Prefill(40, 40, cached=40))
    assembly.feed(Token(1, b"a", 3.0))
    assert trace.timings().prefill_tps is None


def test_a_token_that_is_half_a_character_counts_for_ttft_and_not_for_ttfo():
    trace = Trace(submitted=0.0)
    assembly = Assembly(Sampling(), trace=trace)
    assembly.feed(Token(1, "é".encode()[:1], 1.0))
    assembly.feed(Token(2, "é".encode()[1:], 2.0))
    assert (trace.timings().ttft, trace.timings().ttfo) == (1.0, 2.0)


def test_text_held_back_for_a_stop_string_is_not_visible_yet():
    trace = Trace(submitted=0.0)
    assembly = Assembly(Sampling(stop=("END",)), trace=trace)
    assembly.feed(Token(1, b"E", 1.0))
    assembly.feed(Token(2, b"x", 2.0))
    assert (trace.timings().ttft, trace.timings().ttfo) == (1.0, 2.0)


def test_role_only_and_usage_only_chunks_count_for_nothing():
    trace = Trace(submitted=0.0)
    assembly = Assembly(Sampling(), trace=trace)
    for delta in (Delta("", 0, (), 1.0), Delta("a", 1, (), 2.0), Delta("b", 1, (), 4.0)):
        assembly.feed(delta)
    assembly.feed(Delta("", 0, (), 9.0))
    assembly.feed(Finish("stop", Usage(prompt_tokens=1, completion_tokens=2, source="reported")))
    timings = trace.timings()
    assert (timings.ttft, timings.ttfo, timings.itl) == (2.0, 2.0, 2.0)


def test_the_time_an_engine_gives_is_kept_and_a_missing_one_is_taken():
    assembly = Assembly(Sampling(), trace=Trace())
    assert assembly.feed(Delta("a", 1, (), 5.0)).at == 5.0
    assert assembly.feed(Delta("b")).at > 5.0
    assert assembly.feed("c").at > 5.0


# deadlines

ALL = Deadlines(queue=1.0, first_token=2.0, idle=3.0, total=50.0)


def passed(patience, now):
    with pytest.raises(DeadlineExceeded) as caught:
        patience.check(now)
    return caught.value.deadline, caught.value.seconds


def test_before_it_is_taken_up_the_queue_deadline_runs():
    patience = Patience(ALL, Trace(submitted=10.0))
    assert patience.due(10.0) == 11.0
    patience.check(10.9)
    assert passed(patience, 11.0) == ("queue", 1.0)


def test_once_it_is_taken_up_the_first_token_deadline_runs():
    trace = Trace(submitted=10.0)
    trace.admit(20.0)
    patience = Patience(ALL, trace)
    assert patience.due(20.0) == 22.0
    assert passed(patience, 22.0) == ("first_token", 2.0)


def test_progress_with_the_prompt_is_life():
    trace = Trace(submitted=10.0)
    trace.admit(20.0)
    trace.progress(21.5, 5)
    assert Patience(ALL, trace).due(21.5) == 23.5


def test_behind_the_first_token_the_idle_deadline_runs_anew_with_each():
    trace = Trace(submitted=10.0)
    trace.admit(20.0)
    trace.token(21.0, 1)
    patience = Patience(ALL, trace)
    assert patience.due() == 24.0
    trace.token(22.0, 1)
    assert patience.due() == 25.0
    assert passed(patience, 25.0) == ("idle", 3.0)


def test_a_chunk_without_tokens_is_life_too():
    trace = Trace(submitted=10.0)
    trace.admit(20.0)
    trace.token(21.0, 1)
    trace.token(23.0, 0)
    assert Patience(ALL, trace).due() == 26.0


@pytest.mark.parametrize(
    ("deadlines", "due"),
    [
        (Deadlines(first_token=2.0), 13.0),
        (Deadlines(idle=3.0), 14.0),
        (Deadlines(idle=0.5, first_token=2.0), 11.5),
        (Deadlines(queue=20.0, first_token=2.0), 13.0),
        (Deadlines(queue=2.0, first_token=20.0), 12.0),
    ],
)
def test_who_waits_in_the_queue_looks_again_before_a_later_deadline_could_pass(deadlines, due):
    assert Patience(deadlines, Trace(submitted=10.0)).due(11.0) == due


def test_who_waits_for_the_first_token_looks_again_before_the_idle_deadline_could_pass():
    trace = Trace(submitted=10.0)
    trace.admit(11.0)
    assert Patience(Deadlines(first_token=30.0, idle=1.0), trace).due(12.0) == 13.0


def test_the_total_deadline_runs_from_submitting():
    trace = Trace(submitted=10.0)
    trace.admit(11.0)
    trace.token(59.0, 1)
    patience = Patience(ALL, trace)
    assert patience.due() == 60.0
    assert passed(patience, 60.0) == ("total", 50.0)


def test_without_deadlines_there_is_nothing_to_watch():
    patience = Patience(Deadlines(load=1.0), Trace())
    assert (patience.watches, patience.due()) == (False, None)


def test_time_the_consumer_took_for_itself_is_not_the_engines_silence():
    trace = Trace(submitted=10.0)
    trace.admit(11.0)
    trace.token(12.0, 1)
    patience = Patience(ALL, trace)
    patience.check(30.0, total_only=True)  # a delta is taken out at 30
    assert patience.due() == 33.0
