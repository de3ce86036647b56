"""The slash commands of `penstock chat`, typed at a real terminal."""

from __future__ import annotations

import json

import pytest

from tests.cli.screen import CTRL_C, Terminal


@pytest.fixture
def talk(on_terminal) -> Terminal:
    return on_terminal("chat", "-m", "echo:", "-q")


def test_help_lists_every_command(talk):
    said = talk.answer_to("/help")
    for name in ("model", "system", "undo", "retry", "save", "load", "stats", "help", "exit"):
        assert f"/{name}" in said
    assert "Ctrl-C" in said


def test_exit_ends(talk):
    talk.answer_to("red")
    talk.say("/exit")
    assert talk.status() == 0


def test_an_unknown_command_is_answered_with_the_nearest(talk):
    assert talk.answer_to("/udno").startswith(
        "error: there is no command '/udno'. Did you mean '/undo'?"
    )
    assert "/help lists all" in talk.answer_to("/xyzzy")


def test_two_slashes_say_one(talk):
    assert talk.answer_to("//usr/bin") == "/usr/bin"


def test_model_shows_the_model(talk):
    assert talk.answer_to("/model").startswith("echo, by echo on")


def test_model_switches_and_keeps_the_history(talk):
    talk.answer_to("red")
    assert talk.answer_to("/model echo-blocking:").startswith("echo, by echo-blocking on")
    assert talk.answer_to("green") == "red red green"


def test_a_model_gets_options_behind_its_name(talk):
    talk.answer_to("/model echo: context_length=5")
    assert "the context holds 5" in talk.answer_to("a long line indeed")


def test_a_model_that_cannot_be_loaded_changes_nothing(talk):
    talk.answer_to("red")
    assert "error: there is no file 'nowhere.gguf'" in talk.answer_to("/model nowhere.gguf")
    assert talk.answer_to("green") == "red red green"


def test_ctrl_c_while_a_model_is_loaded_keeps_the_one_before(on_terminal):
    talk = on_terminal("chat", "-m", "echo:")
    talk.answer_to("red")
    talk.say("/model echo-blocking: load_seconds=60")
    talk.until_shown("loading ")
    talk.press(CTRL_C)
    assert talk.answer_to("/model").startswith("echo, by echo on")
    assert talk.answer_to("green").startswith("red red green\n[")


def test_switching_to_a_real_model_keeps_the_history(on_terminal):
    talk = on_terminal("chat", "-q", "--temperature", "0")
    talk.answer_to("My name is Ada.")
    talk.answer_to("/model ctransformers:pocket:")
    assert "Ada" in talk.answer_to("What is my name?")
    assert "by ctransformers" in talk.answer_to("/model")


def test_system_is_shown_and_changed_and_the_history_stays(talk):
    assert talk.answer_to("/system").startswith("no system text")
    talk.answer_to("red")
    assert talk.answer_to("/system Be brief.") == "Be brief."
    assert talk.answer_to("green") == "Be brief. red red green"
    talk.answer_to("/system Be kind.")
    assert talk.answer_to("/system") == "Be kind."


def test_undo_takes_turns_back(talk):
    for word in ("red", "green", "blue"):
        talk.answer_to(word)
    assert "'blue'" in talk.answer_to("/undo")
    assert "'red'" in talk.answer_to("/undo 2")
    assert talk.answer_to("black") == "black"
    assert "give a number" in talk.answer_to("/undo all").lower()


def test_retry_asks_the_last_question_again(talk):
    talk.answer_to("red")
    talk.answer_to("green")
    assert talk.answer_to("/retry") == "red red green"
    assert "2 turns, 4 messages" in talk.answer_to("/stats")


def test_retry_says_again_what_was_not_answered(talk):
    talk.answer_to("/model echo: fail_after=0")
    assert "error: the engine failed" in talk.answer_to("red")
    talk.answer_to("/model echo:")
    assert talk.answer_to("/retry") == "red"


def test_retry_without_anything_said_is_refused(talk):
    assert "nothing to retry" in talk.answer_to("/retry")


def test_save_and_load_bring_a_conversation_back(talk, tmp_path):
    path = tmp_path / "talk.json"
    talk.answer_to("red")
    assert talk.answer_to(f"/save {path}").replace("\n", "").startswith("saved 2 messages to")
    assert json.loads(path.read_text())
    talk.answer_to("/undo")
    assert talk.answer_to(f"/load {path}").replace("\n", "").startswith("loaded 2 messages from")
    assert talk.answer_to("green") == "red red green"


def test_a_file_that_cannot_be_loaded_is_told_and_changes_nothing(talk, tmp_path):
    (tmp_path / "bad.json").write_text("{")
    talk.answer_to("red")
    assert talk.answer_to(f"/load {tmp_path}/bad.json").startswith("error: ")
    assert talk.answer_to("/save").startswith("error: /save needs a file")
    assert talk.answer_to("green") == "red red green"


def test_stats_tell_of_model_history_and_tokens(talk):
    talk.answer_to("red")
    said = talk.answer_to("/stats")
    assert "context of 4096 tokens" in said
    assert "1 turns, 2 messages" in said
    assert "1 tokens in 1 answers" in said
