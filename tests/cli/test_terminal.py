"""`penstock chat` on a real terminal: what is typed, what is shown, and what Ctrl-C does."""

from __future__ import annotations

import shutil
import signal
import time

import pytest

from tests.cli.conftest import COMMAND
from tests.cli.screen import ALT_ENTER, CTRL_C, CTRL_D, CTRL_Z, ENTER, TAB, UP, Terminal

ECHO = ("chat", "-m", "echo:")
SLOW = (*ECHO, "--option", "delay=0.03")
NUMBERS = " ".join(f"n{number}" for number in range(60))


@pytest.fixture
def talk(on_terminal) -> Terminal:
    """A conversation with a model that says everything back."""
    return on_terminal(*ECHO, "-q")


def test_a_line_is_answered_and_ctrl_d_ends(talk):
    assert talk.answer_to("red") == "red"
    assert talk.answer_to("green") == "red red green"
    talk.press(CTRL_D)
    assert talk.status() == 0


def test_the_model_is_named_and_figures_follow_an_answer(on_terminal):
    terminal = on_terminal(*ECHO)
    assert "[1 tokens," in terminal.answer_to("red")
    assert terminal.lines[0].startswith("echo, by echo on ")
    assert "/help lists commands" in terminal.lines[0]


def test_an_answer_is_shown_while_it_comes(on_terminal):
    terminal = on_terminal(*SLOW, columns=120)
    terminal.say("one " + NUMBERS[:80])
    terminal.until(lambda: terminal.lines[1:3][-1].startswith("one n0 n1"), "no beginning")
    assert "stop]" not in terminal.text
    terminal.until_shown("stop]")


def test_ctrl_c_stops_the_answer_and_keeps_what_came(on_terminal):
    terminal = on_terminal(*SLOW, columns=260)
    terminal.say(NUMBERS)
    terminal.until(lambda: terminal.behind("> n0").startswith("n0 n1 n2"), "no beginning")
    terminal.press(CTRL_C)
    terminal.until_shown("stopped]")
    terminal.at_prompt()
    part = terminal.behind("> n0").splitlines()[0]
    assert NUMBERS.startswith(part)
    assert len(part) < len(NUMBERS)
    terminal.say("/stats")
    terminal.until_shown("1 turns, 2 messages")


def test_ctrl_c_at_the_prompt_drops_what_is_typed(talk):
    talk.at_prompt()
    talk.press("garbage")
    talk.until_shown("> garbage")
    talk.press(CTRL_C)
    assert talk.answer_to("red") == "red"


def test_what_is_typed_during_an_answer_waits_for_the_prompt(on_terminal):
    terminal = on_terminal(*SLOW, "-q")
    terminal.say("a b c d e f g h i j k l m n o p")
    terminal.until(lambda: terminal.behind("> a b").startswith("a b"), "no beginning")
    terminal.press("later")
    terminal.until_shown("> later")
    assert terminal.behind("> a b c").splitlines()[0] == "a b c d e f g h i j k l m n o p"


def test_arrow_keys_bring_back_what_was_said(talk):
    talk.answer_to("red")
    talk.answer_to("green")
    talk.press(UP, UP)
    talk.until(lambda: talk.lines[talk.screen.cursor.y] == "> red", "no history")


def test_what_was_said_is_there_another_day(on_terminal, tmp_path):
    first = on_terminal(*ECHO, "-q")
    first.answer_to("a secret")
    first.press(CTRL_D)
    first.status()
    kept = tmp_path / "penstock" / "chat_history"
    assert kept.stat().st_mode & 0o777 == 0o600
    second = on_terminal(*ECHO, "-q")
    second.at_prompt()
    second.press(UP)
    second.until_shown("> a secret")


def test_a_folder_that_cannot_be_written_is_no_failure(on_terminal, tmp_path):
    (tmp_path / "file").write_text("")
    terminal = on_terminal(*ECHO, "-q", state=tmp_path / "file")
    assert terminal.answer_to("red") == "red"
    terminal.press(UP)
    terminal.until_shown("> red\n")


def test_a_history_that_can_no_longer_be_kept_is_no_failure(talk, tmp_path):
    talk.answer_to("red")
    shutil.rmtree(tmp_path / "penstock")
    assert talk.answer_to("green") == "red red green"
    talk.press(UP)
    talk.until(lambda: talk.lines[talk.screen.cursor.y] == "> green", "no history")


def test_alt_enter_begins_another_line(talk):
    talk.at_prompt()
    talk.press("one", ALT_ENTER, "two", ENTER)
    talk.until(lambda: talk.text.endswith("one\ntwo\n>"), "no two lines")


def test_a_block_between_quotes_has_several_lines(talk):
    talk.at_prompt()
    talk.press('"""one', ENTER, "two", ENTER, '"""', ENTER)
    talk.until(lambda: talk.text.endswith("one\ntwo\n>"), "no two lines")


def test_bytes_that_are_no_text_are_said_as_such(talk):
    talk.at_prompt()
    talk.press(b"caf\xe9", ENTER)
    talk.until_shown("\ncaf")
    talk.at_prompt()
    assert talk.lines[1] == "caf\ufffd"


def test_pasted_lines_are_one_message(talk):
    talk.at_prompt()
    talk.press("\x1b[200~one\ntwo\x1b[201~")
    talk.until_shown("two")
    talk.press(ENTER)
    talk.until(lambda: talk.text.endswith("one\ntwo\n>"), "no two lines")


def test_tab_completes_a_command_and_a_model(talk):
    talk.at_prompt()
    talk.press("/mo", TAB)
    talk.until_shown("> /model")
    talk.press(" echo-bl", TAB)
    talk.until_shown("> /model echo-blocking:")


def test_an_answer_longer_than_the_screen_is_in_the_scrollback_once(on_terminal):
    terminal = on_terminal(*ECHO, "-q", rows=10)
    terminal.at_prompt()
    lines = [f"line {number}" for number in range(40)]
    terminal.press("\x1b[200~" + "\n".join(lines) + "\x1b[201~", ENTER)
    terminal.until(lambda: terminal.text.endswith("line 39\n>"), "no end")
    assert terminal.lines[-41:-1] == lines or terminal.text.endswith("\n".join([*lines, ">"]))


def test_an_answer_goes_on_at_the_new_width_after_a_resize(on_terminal):
    terminal = on_terminal(*SLOW, "-q", columns=100)
    terminal.say(NUMBERS)
    terminal.until(lambda: "\nn0 n1" in terminal.text, "no beginning")
    terminal.resize(24, 40)
    terminal.until(lambda: terminal.text.endswith("n59\n>"), "no end")
    answer = terminal.text.rpartition("\nn0 ")[2].splitlines()[:-1]
    assert "\n".join(answer).split() == NUMBERS.split()[1:]
    assert [line for line in answer if len(line) > 30][1:]  # wrapped where 40 columns end


def test_a_resize_at_the_prompt_redraws_it(talk):
    talk.at_prompt()
    talk.press("x" * 50)
    talk.until_shown("x" * 50)
    talk.resize(24, 30)
    talk.press(ENTER)
    talk.until(lambda: talk.text.endswith("x\n>"), "no answer")
    assert talk.text.replace("\n", "").count("x") >= 100


@pytest.mark.parametrize("env", [{"TERM": "dumb"}])
def test_a_dumb_terminal_gets_plain_lines(on_terminal, env):
    terminal = on_terminal(*ECHO, "-q", env=env)
    terminal.until_shown(">")
    terminal.press("**red**", ENTER)
    terminal.until(lambda: terminal.text.endswith("**red**\n>"), "no answer")
    assert b"\x1b" not in terminal.raw
    terminal.press(CTRL_D)
    assert terminal.status() == 0


def test_control_characters_of_an_answer_do_not_command_the_terminal(on_terminal):
    terminal = on_terminal("chat", "safe \x1b[2J\x07 and sound", "-m", "echo:", "-q")
    assert terminal.status() == 0
    assert terminal.text == "safe ␛[2J␇ and sound"


def test_a_dumb_terminal_is_not_commanded_either(on_terminal):
    how = {"env": {"TERM": "dumb"}}
    terminal = on_terminal("chat", "safe \x1b[2J\x07 and sound", "-m", "echo:", "-q", **how)
    assert terminal.status() == 0
    assert terminal.text == "safe ␛[2J␇ and sound"


def test_the_default_model_remembers_on_a_terminal(on_terminal):
    terminal = on_terminal("chat", "--temperature", "0", "-q")
    terminal.answer_to("My name is Ada.")
    begun = time.monotonic()
    assert "Ada" in terminal.answer_to("What is my name?")
    assert time.monotonic() - begun < 10


def test_a_termination_at_the_prompt_leaves_the_terminal_as_it_was(talk):
    talk.at_prompt()
    assert not talk.echoes
    talk.signal(signal.SIGTERM)
    assert talk.ended_by() == signal.SIGTERM
    assert talk.echoes


def test_a_termination_during_an_answer_leaves_the_terminal_as_it_was(on_terminal):
    terminal = on_terminal(*SLOW, columns=260)
    terminal.say(NUMBERS)
    terminal.until(lambda: terminal.behind("> n0").startswith("n0 n1"), "no beginning")
    assert not terminal.echoes
    terminal.signal(signal.SIGTERM)
    assert terminal.ended_by() == signal.SIGTERM
    assert terminal.echoes
    assert "Traceback" not in terminal.text


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell with job control")
def test_ctrl_z_at_the_prompt_puts_it_aside_and_keeps_what_is_typed(on_terminal):
    shell = on_terminal("--norc", "-i", program="bash", env={"PS1": "$ "})
    shell.until_shown("$")
    shell.press(f"{COMMAND} chat -m echo: -q", ENTER)
    shell.at_prompt()
    shell.press("re")
    shell.until_shown("> re")
    shell.press(CTRL_Z)
    shell.until(lambda: "Stopped" in shell.text and shell.text.endswith("$"), "no shell")
    shell.press("fg", ENTER)
    shell.until_shown("> re")
    shell.press("d", ENTER)
    shell.until_shown("> red\nred\n>")


def test_an_answer_that_was_stopped_goes_on_without_echo(on_terminal):
    terminal = on_terminal(*SLOW, columns=260)
    terminal.say(NUMBERS)
    terminal.until(lambda: terminal.behind("> n0").startswith("n0 n1"), "no beginning")
    terminal.signal(signal.SIGSTOP)
    terminal.echo()
    terminal.signal(signal.SIGCONT)
    terminal.until(lambda: not terminal.echoes, "it echoes")
    assert "stop]" not in terminal.text  # it is still the answer that keeps it so
    terminal.until_shown("stop]")
