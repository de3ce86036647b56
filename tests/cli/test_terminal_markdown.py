"""Markdown on a real terminal: styles, code, and none of it where it is not wanted."""

from __future__ import annotations

import pytest

from tests.cli.screen import Terminal

ECHO = ("-m", "echo:", "-q")
TEXT = (
    "# Title\n\nSome **bold** and `code`.\n\n- one\n- two\n\n"
    "```python\ndef f(x):\n    return 1\n```\n"
)


def shown(on_terminal, *arguments: str, **how: object) -> Terminal:
    terminal = on_terminal("chat", *arguments, *ECHO, **how)
    assert terminal.status() == 0
    return terminal


def test_marks_become_looks(on_terminal):
    terminal = shown(on_terminal, TEXT)
    assert terminal.text == (
        "Title\n\nSome bold and code.\n\n• one\n• two\n\ndef f(x):\n    return 1"
    )
    assert terminal.looks_of("Title").bold
    assert terminal.looks_of("bold").bold
    assert not terminal.looks_of("Some").bold
    assert terminal.looks_of("code.").fg == "cyan"


def test_code_is_highlighted(on_terminal):
    terminal = shown(on_terminal, TEXT)
    keyword, name = terminal.looks_of("return"), terminal.looks_of("x):")
    assert keyword.fg != name.fg


def test_a_table_is_drawn(on_terminal):
    terminal = shown(on_terminal, "| a | b |\n|---|---|\n| 1 | **2** |\n")
    assert "│ a │ b │" in terminal.text
    assert terminal.looks_of("2").bold


def test_a_narrow_table_shows_all_of_a_cell_that_has_no_spaces(on_terminal):
    cells = "漢字かな交じり文は空白なしで書く", "https://example.com/a/long/path"
    table = f"| a | b |\n|---|---|\n| {cells[0]} | {cells[1]} |\n"
    lines = shown(on_terminal, table, columns=30).text.splitlines()
    rows = [line.split("│")[1:3] for line in lines if line.startswith("│")][1:]
    assert ["".join(column).replace(" ", "") for column in zip(*rows, strict=True)] == [*cells]


@pytest.mark.parametrize(("columns", "drawn"), [(30, False), (31, True)])
def test_a_table_with_more_columns_than_fit_is_shown_as_lines(on_terminal, columns, drawn):
    cells = [f"c{number}" for number in range(6)]
    row = f"| {' | '.join(cells)} |"
    text = shown(on_terminal, f"{row}\n{'|-' * 6}|\n{row}\n", columns=columns).text
    assert ("╭" in text) is drawn
    assert (text.count("c"), text.count("5")) == (12, 2)


def test_plain_shows_what_was_written(on_terminal):
    terminal = shown(on_terminal, TEXT, "--plain")
    assert "Some **bold** and `code`." in terminal.text
    assert not terminal.looks_of("bold").bold


def test_without_colours_there_are_none(on_terminal):
    terminal = shown(on_terminal, TEXT, env={"NO_COLOR": "1"})
    assert "Some bold and code." in terminal.text
    fields = {terminal.looks_of(text).fg for text in ("Title", "code.", "return", "one")}
    assert fields == {"default"}


@pytest.mark.parametrize("columns", [30, 60])
def test_prose_is_wrapped_between_words(on_terminal, columns):
    words = [f"word{number}" for number in range(40)]
    terminal = shown(on_terminal, " ".join(words), columns=columns)
    assert terminal.text.split() == words
    assert len(terminal.text.splitlines()) > 2


def test_a_terminal_that_does_not_tell_its_width_has_that_of_columns(on_terminal):
    words = " ".join(f"word{number}" for number in range(8))
    assert words in shown(on_terminal, words, columns=0, env={"COLUMNS": "70"}).raw.decode()


def test_a_pipe_gets_the_text_as_it_is(penstock):
    done = penstock("chat", TEXT, *ECHO)
    assert done.stdout == TEXT
