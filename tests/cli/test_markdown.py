"""Markdown while it streams: what is shown, and that it does not depend on how the text is cut."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.cli.inline import Inline, Span
from penstock.cli.markdown import Break, Code, Hang, Markdown, Table
from penstock.cli.painting import MarkdownPainter
from penstock.cli.wrapping import Wrapping

MARKS = ("`", "*", "_", "~", "[", "]", "(", ")", "\\", "!", "|", "#", ">", "-", "1.", "```", "\n")
TEXTS = st.lists(st.sampled_from([*MARKS, " ", "a", "bc", "Ünï", "漢", "|-|"]), max_size=40).map(
    "".join
)


def pieces_of(*texts: str) -> list:
    """Feed texts; return the pieces, with spans of one style that follow each other joined."""
    markdown, found = Markdown(), []
    for text in texts:
        found += markdown.feed(text)
    found += markdown.flush()
    joined: list = []
    for piece in found:
        last = joined[-1] if joined else None
        if isinstance(piece, Span) and isinstance(last, Span) and last.style == piece.style:
            joined[-1] = Span(last.text + piece.text, piece.style)
        elif not isinstance(piece, Span) or piece.text:
            joined.append(piece)
    return joined


def shown_by(text: str) -> list[tuple[str, str]]:
    inline = Inline()
    spans = [*inline.feed(text), *inline.flush()]
    return [(span.text, span.style) for span in spans]


@given(TEXTS, st.lists(st.integers(0, 60), max_size=8))
def test_however_the_text_is_cut_the_same_is_shown(text, cuts):
    ends = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    cut = [text[begin:end] for begin, end in pairwise(ends)]
    assert pieces_of(*cut) == pieces_of(text)


@given(st.text(alphabet="abc \n", max_size=60))
def test_text_without_marks_is_shown_as_it_is(text):
    said = "".join(
        piece.text if isinstance(piece, Span)
        else piece.first.text if isinstance(piece, Hang)
        else "\n"
        for piece in pieces_of(text)
    )  # fmt: skip
    assert said == text


@given(TEXTS)
def test_no_letter_is_lost(text):
    plain = re.sub(r"```[\w+#.-]*", "", text)  # the language of a block is not shown
    screen = io.StringIO()
    painter = MarkdownPainter(screen)
    painter.feed(plain)
    painter.flush()
    for letter in "bcÜï漢":
        assert screen.getvalue().count(letter) == plain.count(letter), letter


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", [("plain", "")]),
        ("a **b** c", [("a ", ""), ("b", "strong"), (" c", "")]),
        ("*b*", [("b", "emphasis")]),
        ("_b_", [("b", "emphasis")]),
        ("***b***", [("b", "strong emphasis")]),
        ("~~b~~", [("b", "struck")]),
        ("`*b*`", [("*b*", "code")]),
        ("`` a`b ``", [("a`b", "code")]),
        ("**a `b` c**", [("a ", "strong"), ("b", "strong code"), (" c", "strong")]),
        ("*a **b** c*", [("a ", "emphasis"), ("b", "emphasis strong"), (" c", "emphasis")]),
        ("[a](b://c)", [("a", "link"), (" (b://c)", "address")]),
        ("\\*a\\*", [("*", ""), ("a", ""), ("*", "")]),
        ("snake_case_name", [("snake", ""), ("_", ""), ("case", ""), ("_", ""), ("name", "")]),
        ("2 * 3 * 4", [("2 ", ""), ("*", ""), (" 3 ", ""), ("*", ""), (" 4", "")]),
        ("**never closed", [("**", ""), ("never closed", "")]),
        ("a [b] c", [("a ", ""), ("[", ""), ("b] c", "")]),
        ("Hello!", [("Hello", ""), ("!", "")]),
    ],
)
def test_marks_in_a_line(text, shown):
    assert shown_by(text) == shown


def test_a_mark_that_closes_too_late_is_none_however_the_text_is_cut():
    text = "**" + "word " * 60 + "end**"
    assert pieces_of(*text) == pieces_of(text) == [Span(text)]


def test_a_mark_that_does_not_close_is_not_waited_for_without_end():
    inline = Inline()
    spans = list(inline.feed("**" + "word " * 60))
    assert "".join(span.text for span in spans).startswith("**word")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("# Head\n", [Span("Head", "heading1"), Break()]),
        ("- one", [Hang(Span("• ", "mark"), "  "), Span("one")]),
        ("  * two", [Hang(Span("  • ", "mark"), "    "), Span("two")]),
        ("10. ten", [Hang(Span("10. ", "mark"), "    "), Span("ten")]),
        ("> said", [Hang(Span("│ ", "mark"), "│ "), Span("said", "quote")]),
        ("---\n", [Hang(Span("─", "rule"), ""), Break()]),
        ("1999 was", [Span("1999 was")]),
        ("#hashtag", [Span("#hashtag")]),
        ("--flag", [Span("--flag")]),
        ("**a**\n", [Span("a", "strong"), Break()]),
        (
            "```py\nx = 1\n\ny\n```\nend",
            [Code("x = 1", "py", 0), Code("", "py", 1), Code("y", "py", 2), Span("end")],
        ),
        ("~~~\n```\n~~~", [Code("```", "", 0)]),
        ("  ```\n  x\n  ```", [Code("x", "", 0, "  ")]),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", [Table((("a", "b"), ("1", "2")))]),
        ("|x| is a norm", [Span("|x| is a norm"), Break()]),
    ],
)
def test_kinds_of_lines(text, pieces):
    assert pieces_of(text) == pieces


def test_a_line_is_told_as_soon_as_it_can_be():
    markdown = Markdown()
    assert list(markdown.feed("-")) == []
    assert list(markdown.feed(" ")) == []
    assert [type(piece) for piece in markdown.feed("x")] == [Hang, Span]


def test_what_is_said_beside_the_text_has_lines_of_its_own():
    screen = io.StringIO()
    painter = MarkdownPainter(screen)
    painter.aside("Let me *think*")
    painter.aside(".")
    painter.feed("It is **so**")
    painter.flush()
    shown = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    assert shown == "Let me *think*.\nIt is so\n"


# lines on a screen


def wrapped(pieces: list, width: int) -> str:
    wrapping = Wrapping(lambda: width)
    spans = [span for piece in pieces for span in wrapping.feed(piece)]
    return "".join(span.text for span in [*spans, *wrapping.flush()])


def test_words_are_not_cut():
    text = "the quick brown fox jumps over the lazy dog and runs"
    lines = wrapped([Span(text)], 24).split("\n")
    assert max(map(len, lines)) <= 24
    assert " ".join(lines) == text


def test_a_word_of_several_styles_is_one_word():
    spans = [Span("aaaa bbbb cccc dddd "), Span("un", "strong"), Span("breakable")]
    assert wrapped(spans, 24).split("\n") == ["aaaa bbbb cccc dddd", "unbreakable"]


def test_a_line_of_a_list_hangs():
    pieces = [Hang(Span("• "), "  "), Span("the quick brown fox jumps over the dog")]
    assert wrapped(pieces, 24) == "• the quick brown fox\n  jumps over the dog"


def test_wide_characters_take_two_columns_and_may_be_parted_anywhere():
    lines = wrapped([Span("漢" * 30)], 24).split("\n")
    assert [len(line) for line in lines] == [12, 12, 6]


def test_a_word_longer_than_a_line_is_left_to_the_terminal():
    assert wrapped([Span("x" * 100)], 24) == "x" * 100
    assert wrapped([*map(Span, f"see {'x' * 100} end")], 24) == f"see\n{'x' * 100} end"


def test_a_tab_is_as_wide_as_it_is_shown():
    lines = wrapped([Span("a\tb\tc dddd eeee")], 24).split("\n")
    assert lines == ["a       b       c dddd", "eeee"]
    pieces = pieces_of("\t- the quick brown fox\n")
    assert wrapped(pieces, 24).rstrip() == "    • the quick brown\n      fox"


@given(st.text(alphabet="ab \n漢", max_size=80), st.integers(20, 40))
def test_wrapping_changes_white_space_only(text, width):
    pieces = [part for line in text.split("\n") for part in (Span(line), Break())]
    assert "".join(wrapped(pieces, width).split()) == "".join(text.split())
