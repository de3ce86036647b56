"""`penstock chat`, run as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess


def test_a_message_gets_one_answer(penstock):
    done = penstock("chat", "hello there", "-m", "echo:")
    assert (done.returncode, done.stdout) == (0, "hello there\n")
    assert done.stderr.endswith(", stop]\n")


def test_a_dash_reads_the_message_from_stdin(penstock):
    assert penstock("chat", "-", "-m", "echo:", say="two\nlines\n").stdout == "two\nlines\n"


def test_a_system_text_comes_first(penstock):
    done = penstock("chat", "hello", "--system", "Be brief.", "-m", "echo:")
    assert done.stdout == "Be brief. hello\n"


def test_bytes_that_are_no_text_are_said_as_such(penstock):
    system = ["--system", os.fsdecode(b"a\xffb")]
    assert penstock("chat", "hello", *system, "-m", "echo:").stdout == "a\ufffdb hello\n"
    assert "a\ufffdb" in penstock("render", "hello", *system, "-m", "pocket:").stdout


def test_a_conversation_remembers_what_was_said(penstock):
    done = penstock("chat", "-m", "echo:", "-q", say="red\ngreen\n")
    assert done.stdout.splitlines() == ["red", "red red green"]
    assert (done.returncode, done.stderr) == (0, "")


def test_the_default_model_remembers_a_name(penstock):
    done = penstock("chat", "--temperature", "0", say="My name is Ada.\nWhat is my name?\n")
    assert "Ada" in done.stdout.splitlines()[-1]


def test_empty_lines_are_passed_over_and_exit_ends(penstock):
    done = penstock("chat", "-m", "echo:", "-q", say="\n  \nred\n/exit\ngreen\n")
    assert done.stdout == "red\n"


def test_json_is_an_object_a_line(penstock):
    done = penstock("chat", "-m", "echo:", "--json", say="red\ngreen\n")
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == [
        "red",
        "red red green",
    ]


def test_an_answer_that_fails_is_reported_and_the_conversation_goes_on(penstock):
    done = penstock(
        "chat", "-m", "echo:", "--option", "context_length=15", "-q", say="x" * 60 + "\nred\n"
    )
    assert done.stdout.splitlines()[-1] == "red"
    assert done.stderr.startswith("error: the prompt has 28 tokens and the context holds 15")
    assert done.returncode == 5


QUESTIONS = "".join(f"Tell me story number {number} please.\n" for number in range(8))
SHORT = ("-m", "pocket:", "--option", "n_ctx=128", "--max-tokens", "40")


def test_a_conversation_goes_on_when_the_context_is_full(penstock):
    done = penstock("chat", *SHORT, "--seed", "1", say=QUESTIONS)
    assert done.returncode == 0
    told = done.stderr.splitlines()
    assert len(told) == 8
    assert "turns" not in told[0]
    assert re.search(r", \d turns left out, (length|stop)\]$", told[-1])


def test_who_wants_no_figures_is_told_once_that_the_context_is_full(penstock):
    done = penstock("chat", *SHORT, "--seed", "1", "-q", say=QUESTIONS)
    assert done.stderr == "warning: the context is full: old turns are left out\n"


def test_a_full_context_is_an_error_where_that_is_asked_for(penstock):
    done = penstock("chat", *SHORT, "--context", "error", "-q", say=QUESTIONS)
    assert done.returncode == 5
    assert "the context holds 128" in done.stderr
    done = penstock("chat", *SHORT, "--context", "forget", say=QUESTIONS)
    assert done.returncode == 2
    for name in ("forget", "error", "drop_oldest", "summarize"):
        assert f"'{name}'" in done.stderr


def test_what_was_left_out_is_in_the_json(penstock):
    longer = ("--option", "n_ctx=256", "--context", "summarize", "--json")
    done = penstock("chat", *SHORT, *longer, say=QUESTIONS)
    assert done.returncode == 0
    last = json.loads(done.stdout.splitlines()[-1])["context"]
    assert (last["policy"], bool(last["summary"])) == ("summarize", True)


def test_a_conversation_goes_on_when_one_answer_filled_the_context(penstock):
    small = ("-m", "pocket:", "--option", "n_ctx=200", "--seed", "1", "--context", "summarize")
    done = penstock("chat", *small, say="".join(QUESTIONS.splitlines(keepends=True)[:3]))
    assert (done.returncode, done.stderr.count("\n")) == (0, 3)
    assert re.search(r"[12] turns summarised", done.stderr.splitlines()[-1])


def test_ctrl_c_stops_the_answer_and_the_conversation_keeps_its_beginning(started, read_until):
    child = started("chat", "-m", "echo:", "--option", "delay=0.03", stdin=subprocess.PIPE)
    said = " ".join(str(number) for number in range(40))
    child.stdin.write(f"{said}\n".encode())
    first = read_until(child.stdout.fileno(), b"0 1 2")
    child.send_signal(signal.SIGINT)
    assert read_until(child.stderr.fileno(), b"]").endswith(b"stopped]\n")
    child.stdin.write(b"and on\n")
    rest = read_until(child.stdout.fileno(), b"and on\n")
    child.stdin.close()
    assert child.wait(timeout=5) == 0
    part, second = (first + rest).decode().splitlines()
    assert said.startswith(part)
    assert second == f"{said} {part.strip()} and on"
