"""Stop strings, over all ways to cut a text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from penstock.streams import StopMatcher

TEXTS = st.text("ab", max_size=12)
STOPS = st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3, unique=True)


@st.composite
def cut(draw, texts=TEXTS):
    """Draw a text in pieces, some of them empty."""
    text = draw(texts)
    marks = sorted(draw(st.lists(st.integers(0, len(text)), max_size=len(text))))
    return [text[a:b] for a, b in zip([0, *marks], [*marks, len(text)], strict=True)]


def first_match(text, stops):
    """The plain definition: the earliest start wins, and there the shortest string."""
    found = [(text.find(stop), len(stop), stop) for stop in stops if stop in text]
    return min(found, default=None)


def shown(matcher, pieces):
    return "".join([*map(matcher.feed, pieces), matcher.flush()])


@given(cut(), STOPS)
@example(["ab", "ab"], ["abc", "b"])
@example(["ab"], ["ab", "a"])
@example(["a", "a", "b"], ["aab", "ab"])
def test_the_text_before_the_first_match_is_shown_however_it_is_cut(pieces, stops):
    found = first_match("".join(pieces), stops)
    matcher = StopMatcher(stops)
    text = "".join(pieces)
    assert shown(matcher, pieces) == (text if found is None else text[: found[0]])
    assert matcher.matched == (None if found is None else found[2])


@given(TEXTS, STOPS)
def test_every_single_way_to_cut_in_two_gives_the_same(text, stops):
    whole = shown(StopMatcher(stops), [text])
    for at in range(len(text) + 1):
        assert shown(StopMatcher(stops), [text[:at], text[at:]]) == whole


@given(cut(), STOPS)
def test_include_keeps_the_match_itself_and_nothing_behind_it(pieces, stops):
    text = "".join(pieces)
    found = first_match(text, stops)
    expected = text if found is None else text[: found[0] + found[1]]
    assert shown(StopMatcher(stops, include=True), pieces) == expected


@given(cut(), STOPS)
def test_only_what_may_still_become_a_match_is_held_back(pieces, stops):
    matcher = StopMatcher(stops)
    seen = given_out = ""
    for piece in pieces:
        seen += piece
        given_out += matcher.feed(piece)
        held = seen[len(given_out) :]
        if matcher.matched is None and held:
            assert any(len(stop) > len(held) and stop.startswith(held) for stop in stops), held


@given(cut(), STOPS)
def test_what_is_shown_never_holds_a_stop_string(pieces, stops):
    text = shown(StopMatcher(stops), pieces)
    assert not any(stop in text for stop in stops)


@given(cut(), STOPS)
def test_nothing_is_shown_behind_a_match(pieces, stops):
    matcher = StopMatcher(stops)
    for piece in pieces:
        was_matched = matcher.matched is not None
        out = matcher.feed(piece)
        assert not (was_matched and out)


@pytest.mark.parametrize(
    "stop", [".", "[", "]", "^", "-", "\\", "$", "a|b", "(?:", "]]", "&&", "\n\n"]
)
def test_a_stop_string_is_never_read_as_a_pattern(stop):
    matcher = StopMatcher([stop])
    assert shown(matcher, ["keep", *stop, "drop"]) == "keep"
    assert matcher.matched == stop


def test_a_stop_string_matches_whole_characters_only():
    assert shown(StopMatcher(["é"]), ["caf", "e", "\u0301 é", "!"]) == "cafe\u0301 "


def test_text_without_the_first_character_of_a_stop_is_passed_on_as_the_same_object():
    text = "a long piece of text" * 3
    assert StopMatcher(["#"]).feed(text) is text
