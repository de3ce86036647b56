"""Server-Sent Events, cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock_openai.sse import Event, EventParser

TEXTS = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n"), min_size=1, max_size=20
)


def parsed(*pieces: bytes) -> list[Event]:
    parser = EventParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.flush()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(marks)]


@given(
    st.lists(st.lists(TEXTS, min_size=1, max_size=3), max_size=6),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(0, 10_000), max_size=12),
    st.booleans(),
)
def test_events_are_the_same_however_bytes_are_cut(events, newline, places, mark) -> None:
    lines = []
    for event in events:
        lines += [b"data: " + line.encode() for line in event]
        lines += [b": a comment", b""]
    data = b"".join(line + newline for line in lines)
    if mark:
        data = b"\xef\xbb\xbf" + data
    expected = [(b"", "\n".join(event).encode()) for event in events]
    assert parsed(*cut(data, places)) == expected


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_no_bytes_break_it(pieces) -> None:
    once = parsed(b"".join(pieces))
    assert parsed(*pieces) == once


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b"data", []),
        (b"data:", []),
        (b"data:\n\n", []),
        (b"data: \n\ndata: a\n\n", [(b"", b"a")]),
        (b"data: a", [(b"", b"a")]),
        (b"data:a\n", [(b"", b"a")]),
        (b"data:  a\n\n", [(b"", b" a")]),
        (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [(b"error", b"a"), (b"", b"b")]),
        (b"event: lost\n\ndata: b\n\n", [(b"", b"b")]),
        (b"error: {}\n\n", [(b"error", b"{}")]),
        (b"id: 1\nretry: 5\ndata: a\n\n", [(b"", b"a")]),
        (b'{"a": 1}\n', [(b"", b'{"a": 1}')]),
        (b"<html>\n\n", []),
    ],
)
def test_what_lines_mean(data, events) -> None:
    assert parsed(data) == events


def test_an_event_may_not_grow_without_end(monkeypatch) -> None:
    monkeypatch.setattr("penstock_openai.sse.MOST_BYTES", 100)
    parser = EventParser()
    assert parser.feed(b"data: a\n\ndata: " + b"x" * 100) == [(b"", b"a")]
    with pytest.raises(ValueError, match="100 bytes"):
        parser.feed(b"x")
    lines = EventParser()
    with pytest.raises(ValueError, match="100 bytes"):
        for _ in range(20):
            lines.feed(b"data: 0123456789\n")
