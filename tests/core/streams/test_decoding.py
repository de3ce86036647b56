"""UTF-8 and surrogate halves, over all ways to cut them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from penstock.streams import CharacterDecoder

WHOLE = st.text(st.characters(codec="utf-8"), max_size=12)
RAGGED = st.lists(
    st.one_of(
        st.binary(max_size=3),
        st.sampled_from(["é", "你", "😀", "a"]).map(str.encode),
        st.sampled_from(["你", "😀"]).map(lambda text: text.encode()[:-1]),
        st.sampled_from([b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80", b"\xff"]),
    ),
    max_size=6,
).map(b"".join)
HALVES = st.text(st.sampled_from("a\U0001f600\ud83d\ude00é"), max_size=8)


def pieces_of(data, marks):
    bounds = sorted(mark for mark in marks if mark <= len(data))
    return [data[a:b] for a, b in zip([0, *bounds], [*bounds, len(data)], strict=True)]


def decoded(pieces):
    decoder = CharacterDecoder()
    return "".join([*map(decoder.feed, pieces), decoder.flush()])


def decoded_text(pieces):
    decoder = CharacterDecoder()
    return "".join([*map(decoder.feed_text, pieces), decoder.flush()])


@given(RAGGED, st.lists(st.integers(0, 40)))
@example(b"\xf0\x9f\x98a", [3])
@example(b"\xe4\xbd\xff\xa0", [1, 2, 3])
def test_any_bytes_cut_anywhere_decode_as_they_do_whole(data, marks):
    assert decoded(pieces_of(data, marks)) == data.decode("utf-8", "replace")


@given(WHOLE)
def test_valid_text_cut_at_every_byte_comes_out_whole(text):
    data = text.encode()
    assert decoded([data[at : at + 1] for at in range(len(data))]) == text


@given(WHOLE, st.lists(st.integers(0, 40)))
def test_no_piece_of_valid_text_holds_a_replacement_character(text, marks):
    decoder = CharacterDecoder()
    text = text.replace("\ufffd", "")
    for piece in pieces_of(text.encode(), marks):
        assert "\ufffd" not in decoder.feed(piece)
    assert decoder.flush() == ""


@given(st.text(st.sampled_from("a😀你\U0010ffff"), max_size=8))
def test_halves_of_characters_in_pieces_of_text_are_joined(text):
    data = text.encode("utf-16-le")
    halves = [
        data[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(data), 2)
    ]
    assert decoded_text(halves) == text


@given(HALVES, st.lists(st.integers(0, 8)))
def test_text_with_stray_halves_does_not_depend_on_how_it_is_cut(text, marks):
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert decoded_text(pieces_of(text, marks)) == whole


@given(HALVES, st.lists(st.integers(0, 8)))
def test_no_half_of_a_character_comes_out(text, marks):
    decoded_text(pieces_of(text, marks)).encode("utf-8")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xff", "\ufffd"),
        (b"a\xffb", "a\ufffdb"),
        (b"\xe4\xbd", "\ufffd"),
        (b"\xe4\xbdb", "\ufffdb"),
    ],
)
def test_an_invalid_sequence_becomes_one_replacement_character(data, text):
    assert decoded([data[at : at + 1] for at in range(len(data))]) == text


def test_text_behind_half_a_character_in_bytes_keeps_its_place():
    decoder = CharacterDecoder()
    assert decoder.feed(b"a\xe4") + decoder.feed_text("b") + decoder.flush() == "a\ufffdb"


def test_bytes_behind_half_a_character_in_text_keep_their_place():
    decoder = CharacterDecoder()
    assert decoder.feed_text("a\ud83d") + decoder.feed(b"b") + decoder.flush() == "a\ufffdb"


def test_plain_text_is_passed_on_as_the_same_object():
    text = "plain é 你 😀"
    assert CharacterDecoder().feed_text(text) is text


def test_a_decoder_can_be_flushed_twice():
    decoder = CharacterDecoder()
    decoder.feed(b"\xe4")
    assert (decoder.flush(), decoder.flush()) == ("\ufffd", "")
