"""Words, sentences, paragraphs and buffers, over all ways to cut a text: no loop is needed."""

from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from penstock.events import Delta
from penstock.streams.splitting import PARAGRAPH, SENTENCE, WORD, Split
from penstock.streams.stages import Buffered

BOUNDARIES = pytest.mark.parametrize(
    "boundary", [WORD, SENTENCE, PARAGRAPH], ids=["word", "sentence", "paragraph"]
)
SPACES = " \n\t\r\u00a0\u3000\u2003\u2028\x85"
TEXTS = st.text(st.sampled_from("aB3.!?…\"')”。！」" + SPACES), max_size=24)
MARKS = st.lists(st.integers(0, 24), max_size=8)


def pieces_of(text, marks):
    bounds = sorted(mark for mark in marks if mark <= len(text))
    return [text[a:b] for a, b in zip([0, *bounds], [*bounds, len(text)], strict=True)]


def split(boundary, pieces):
    stage = Split(boundary)
    return [out for piece in pieces for out in stage.feed(Delta(piece))] + list(stage.flush())


@BOUNDARIES
@given(text=TEXTS, marks=MARKS)
@example(text="a\u2003b", marks=[2])
@example(text="a.\u2028b", marks=[3])
def test_pieces_do_not_depend_on_how_the_text_was_cut(boundary, text, marks):
    assert split(boundary, pieces_of(text, marks)) == split(boundary, [text])


@BOUNDARIES
@given(text=TEXTS)
def test_pieces_of_a_text_that_comes_by_characters_are_those_of_the_whole(boundary, text):
    assert split(boundary, list(text)) == split(boundary, [text])


@BOUNDARIES
@given(text=TEXTS, marks=MARKS)
def test_pieces_joined_are_the_text(boundary, text, marks):
    assert "".join(split(boundary, pieces_of(text, marks))) == text


@BOUNDARIES
@given(text=TEXTS)
def test_no_piece_is_empty(boundary, text):
    assert all(split(boundary, list(text)))


@given(text=TEXTS)
def test_words_are_those_python_finds(text):
    assert [word.strip() for word in split(WORD, list(text)) if word.strip()] == text.split()


@BOUNDARIES
def test_a_piece_comes_with_the_first_character_behind_it(boundary):
    stage = Split(boundary)
    assert list(stage.feed(Delta("One.\n\n"))) == []
    assert list(stage.feed(Delta("T"))) == ["One.\n\n"]


@BOUNDARIES
def test_what_is_searched_again_does_not_grow_with_the_piece(boundary):
    stage = Split(boundary)
    for _ in range(1000):
        list(stage.feed(Delta("abcdefgh")))
    assert len(stage._tail) < 10


@pytest.mark.parametrize("mark", ["\n", "\n ", " ", "！", "。」", ".", "…”"])
@BOUNDARIES
def test_a_model_that_repeats_a_mark_for_ever_does_not_hold_up_the_event_loop(boundary, mark):
    begun = perf_counter()
    assert split(boundary, ["One", *[mark] * 1500])
    assert perf_counter() - begun < 3


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One. ", "Two! ", "Three?"]),
        ("Pi is 3.14 or so. Yes.", ["Pi is 3.14 or so. ", "Yes."]),
        ('He said "Go!" Then left.', ['He said "Go!" ', "Then left."]),
        ("(It was late.) They slept.", ["(It was late.) ", "They slept."]),
        ("Well… Perhaps.", ["Well… ", "Perhaps."]),
        ("Wait... What?! Really.", ["Wait... ", "What?! ", "Really."]),
        ("你好。我很好！你呢？", ["你好。", "我很好！", "你呢？"]),
        ("他说：「走！」然后走了。", ["他说：「走！」", "然后走了。"]),
        ("Mixed。Then English. 好。", ["Mixed。", "Then English. ", "好。"]),
        ("No end", ["No end"]),
        ("", []),
    ],
)
def test_sentences(text, sentences):
    assert split(SENTENCE, list(text)) == sentences


@pytest.mark.parametrize(
    ("text", "paragraphs"),
    [
        ("One\nstill.\n\nTwo.", ["One\nstill.\n\n", "Two."]),
        ("One.\n \t\n\n  Two.", ["One.\n \t\n\n  ", "Two."]),
        ("One.\r\n\r\nTwo.", ["One.\r\n\r\n", "Two."]),
        ("One.\n\n", ["One.\n\n"]),
    ],
)
def test_paragraphs(text, paragraphs):
    assert split(PARAGRAPH, list(text)) == paragraphs


DELTAS = st.lists(
    st.builds(
        lambda text, ids: (text, tuple(ids)),
        st.text("ab你", max_size=4),
        st.lists(st.integers(1, 9), max_size=3),
    ),
    max_size=12,
)


def buffered(deltas, **limits):
    stage = Buffered(**limits)
    made = [Delta(text, len(ids), ids, float(at)) for at, (text, ids) in enumerate(deltas)]
    return [out for delta in made for out in stage.feed(delta)] + list(stage.flush())


@given(DELTAS, st.integers(1, 5))
def test_a_buffer_loses_no_text_no_token_and_no_id(deltas, limit):
    for out in (buffered(deltas, tokens=limit), buffered(deltas, chars=limit)):
        assert "".join(delta.text for delta in out) == "".join(text for text, _ in deltas)
        assert [i for delta in out for i in delta.ids] == [i for _, ids in deltas for i in ids]
        assert sum(delta.tokens for delta in out) == sum(len(ids) for _, ids in deltas)


@given(DELTAS, st.integers(1, 5))
def test_all_but_the_last_of_a_buffers_deltas_are_full(deltas, limit):
    assert all(delta.tokens >= limit for delta in buffered(deltas, tokens=limit)[:-1])
    assert all(len(delta.text) >= limit for delta in buffered(deltas, chars=limit)[:-1])


@given(DELTAS, st.integers(1, 5))
def test_a_buffer_is_passed_on_as_soon_as_it_is_full(deltas, limit):
    stage, held = Buffered(chars=limit), 0
    for text, _ in deltas:
        held = 0 if list(stage.feed(Delta(text))) else held + len(text)
        assert held < limit


@given(st.text("ab ", max_size=30), MARKS, st.integers(1, 5))
def test_single_characters_are_buffered_alike_however_they_came(text, marks, limit):
    whole = "".join(delta.text for delta in buffered([(text, ())], chars=limit))
    parts = [(piece, ()) for piece in pieces_of(text, marks)]
    assert "".join(delta.text for delta in buffered(parts, chars=limit)) == whole


def test_a_gathered_delta_has_the_time_of_its_last():
    out = buffered([("a", (1,)), ("b", (1,)), ("c", (1,))], tokens=2)
    assert [delta.at for delta in out] == [1.0, 2.0]


def test_every_kind_of_white_space_is_among_the_marks():
    spaces = {chr(code) for code in range(0x110000) if chr(code).isspace()}
    assert all(spaces <= set(boundary.marks) for boundary in (WORD, SENTENCE, PARAGRAPH))
