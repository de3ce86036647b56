"""Assembly: from whatever an engine yields to deltas, counts and one end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.errors import BackendBug
from penstock.events import Delta, Finish, Prefill, Token, Usage
from penstock.request import Sampling
from penstock.streams import Assembly, Trace

BYTES = st.binary(max_size=3) | st.sampled_from(["你", "a", "b", "é"]).map(str.encode)
EVENTS = st.lists(
    st.one_of(
        st.text("ab你 ", max_size=3),
        BYTES,
        st.builds(Token, st.integers(1, 9), BYTES),
        st.builds(Delta, st.text("ab你\ud83d\ude00", max_size=3), st.integers(0, 3)),
        st.builds(Prefill, st.integers(0, 9), st.just(9)),
    ),
    max_size=12,
)
STOPS = st.lists(st.text("ab", min_size=1, max_size=3), max_size=2).map(tuple)


def run(events, sampling=None):
    """Feed all events, as a producer does; return the assembly and its deltas."""
    assembly = Assembly(sampling or Sampling(), trace=Trace())
    deltas = []
    for event in events:
        deltas.append(assembly.feed(event))
        if assembly.finish is not None:
            break
    deltas.append(assembly.end())
    return assembly, [delta for delta in deltas if delta is not None]


def text_of(deltas):
    return "".join(delta.text for delta in deltas)


def as_bytes(event):
    match event:
        case str():
            return event.encode("utf-8", "surrogatepass")
        case bytes():
            return event
        case Token():
            return event.data
        case Delta():
            return event.text.encode("utf-8", "surrogatepass")
    return b""


def count(event):
    return event.tokens if isinstance(event, Delta) else int(not isinstance(event, Prefill))


def fresh(events):
    """Deltas are passed on as they are, and given a time: examples must not share them."""
    return [Delta(e.text, e.tokens, e.ids) if isinstance(e, Delta) else e for e in events]


@given(st.lists(BYTES.map(lambda data: Token(1, data)), max_size=12))
def test_the_deltas_joined_are_the_tokens_decoded(events):
    _, deltas = run(events)
    assert text_of(deltas) == b"".join(map(as_bytes, events)).decode("utf-8", "replace")


@given(EVENTS, STOPS)
def test_every_delta_has_whole_characters_only(events, stops):
    _, deltas = run(fresh(events), Sampling(stop=stops or None))
    for delta in deltas:
        delta.text.encode("utf-8")


@given(EVENTS)
def test_every_token_is_counted_once(events):
    assembly, deltas = run(fresh(events))
    assert assembly.usage(lambda: 0).completion_tokens == sum(map(count, events))
    assert sum(delta.tokens for delta in deltas) <= sum(map(count, events))


@given(st.lists(st.builds(Token, st.integers(1, 9), BYTES), max_size=12), STOPS)
def test_tokens_wait_with_the_text_they_made_and_come_with_their_ids(events, stops):
    assembly, deltas = run(events, Sampling(stop=stops or None))
    given_ids = [event.id for event in events]
    got = [token for delta in deltas for token in delta.ids]
    assert got == given_ids[: len(got)]
    assert all(delta.tokens == len(delta.ids) for delta in deltas)
    held = assembly.usage(lambda: 0).completion_tokens - len(got)
    assert held >= 0


@given(EVENTS, STOPS)
def test_no_delta_holds_a_stop_string(events, stops):
    _, deltas = run(fresh(events), Sampling(stop=stops or None))
    assert not any(stop in text_of(deltas) for stop in stops)


@given(EVENTS, STOPS)
def test_stop_strings_cut_the_text_that_came_without_them(events, stops):
    _, whole = run(fresh(events))
    assembly, deltas = run(fresh(events), Sampling(stop=stops or None))
    text = text_of(whole)
    starts = [text.find(stop) for stop in stops if stop in text]
    assert text_of(deltas) == text[: min(starts, default=len(text))]
    assert (assembly.finish.reason == "stop_sequence") == bool(starts)


@given(st.lists(st.text("ab", max_size=3) | BYTES, max_size=12), st.integers(1, 6), STOPS)
def test_max_tokens_holds(events, limit, stops):
    assembly, _ = run(events, Sampling(max_tokens=limit, stop=stops or None))
    assert assembly.usage(lambda: 0).completion_tokens <= limit
    if assembly.finish.reason == "stop":
        assert len(events) < limit


@given(EVENTS, EVENTS, STOPS)
def test_nothing_counts_behind_the_end(events, later, stops):
    assembly = Assembly(Sampling(stop=stops or None), trace=Trace())
    for event in (*fresh(events), Finish("stop")):
        assembly.feed(event)
    ended, tokens = assembly.finish, assembly.trace.tokens
    assert [assembly.feed(event) for event in (*fresh(later), Finish("length"))].count(None) == (
        len(later) + 1
    )
    assert (assembly.finish, assembly.trace.tokens) == (ended, tokens)


@given(EVENTS, STOPS)
def test_there_is_always_one_end(events, stops):
    assembly, _ = run(fresh(events), Sampling(stop=stops or None))
    assert isinstance(assembly.finish, Finish)


def test_the_engines_own_end_is_kept():
    assembly, _ = run(["a", Finish("content_filter")])
    assert assembly.finish == Finish("content_filter")


def test_a_stop_string_in_the_same_token_as_the_limit_is_the_reason():
    assembly, deltas = run(["a", "b."], Sampling(max_tokens=2, stop=(".",)))
    assert (assembly.finish.reason, assembly.finish.stop_sequence) == ("stop_sequence", ".")
    assert text_of(deltas) == "ab"


def test_a_stop_string_that_is_only_clear_at_the_end_is_the_reason():
    assembly, deltas = run(["ab"], Sampling(stop=("abc", "b")))
    assert (assembly.finish.reason, text_of(deltas)) == ("stop_sequence", "a")


def test_what_a_stop_string_held_back_comes_out_at_the_end():
    _, deltas = run(["a EN", "D"], Sampling(stop=("ENDE",)))
    assert text_of(deltas) == "a END"


def test_what_was_held_back_comes_out_at_the_limit():
    assembly, deltas = run(["a", "EN", "D"], Sampling(stop=("END",), max_tokens=2))
    assert (assembly.finish.reason, text_of(deltas)) == ("length", "aEN")


def test_include_stop_keeps_the_stop_string():
    _, deltas = run(["a E", "ND b"], Sampling(stop=("END",), include_stop=True))
    assert text_of(deltas) == "a END"


def test_the_engines_usage_is_kept_though_a_stop_string_ends_the_text():
    usage = Usage(prompt_tokens=3, completion_tokens=9, source="reported")
    assembly = Assembly(Sampling(stop=("abc", "b")), trace=Trace())
    for event in ("ab", Finish("stop", usage)):
        assembly.feed(event)
    assembly.end()
    assert (assembly.finish.reason, assembly.usage(lambda: 0)) == ("stop_sequence", usage)


@pytest.mark.parametrize(
    ("events", "source"),
    [
        ([Prefill(4, 4), Token(1, b"a")], "engine"),
        ([Prefill(4, 4), Token(1, b"a"), "b"], "estimated"),
        ([Token(1, b"a")], "estimated"),
    ],
)
def test_usage_says_where_its_figures_come_from(events, source):
    assembly, _ = run(events)
    assert assembly.usage(lambda: 7).source == source


def test_usage_tells_how_much_of_the_prompt_was_reused():
    assembly, _ = run([Prefill(2, 8, cached=2), Prefill(8, 8, cached=2), Token(1, b"a")])
    usage = assembly.usage(lambda: 0)
    assert (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens) == (8, 2, 1)


def test_an_engine_that_shapes_its_text_is_passed_on_untouched():
    assembly = Assembly(Sampling(stop=("b",), max_tokens=1), trace=Trace(), shaped=True)
    given_out = [Delta("a"), Delta("b"), Delta("c")]
    assert [assembly.feed(delta) for delta in given_out] == given_out
    assert assembly.finish is None


@pytest.mark.parametrize("wrong", [None, 3, ["a"], {"text": "a"}, bytearray(b"a")])
def test_anything_else_an_engine_yields_is_its_bug_and_is_named(wrong):
    with pytest.raises(BackendBug) as caught:
        Assembly(Sampling(), trace=Trace()).feed(wrong)
    assert repr(wrong) in str(caught.value)


class OwnToken(Token):
    """An engine's token with something of its own."""


class OwnDelta(Delta):
    """An engine's delta with something of its own."""


def test_an_engine_may_yield_its_own_kinds_of_tokens_and_deltas():
    _, deltas = run([OwnToken(1, b"a"), OwnDelta("b")])
    assert text_of(deltas) == "ab"
