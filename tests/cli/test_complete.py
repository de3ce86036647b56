"""`penstock complete`, run as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

LONG = " ".join(str(number) for number in range(1500))
SLOW = ("complete", LONG, "-m", "echo:", "--option", "delay=0.01")


def test_the_text_goes_to_stdout_and_the_figures_to_stderr(penstock):
    done = penstock("complete", "red green blue", "-m", "echo:")
    assert (done.returncode, done.stdout) == (0, "red green blue\n")
    assert done.stderr.startswith("[5 tokens, ")
    assert done.stderr.endswith(", stop]\n")
    assert "first token after 0." in done.stderr


def test_an_option_that_is_not_honoured_is_warned_of_in_one_line(penstock):
    said = {"PENSTOCK_UNSUPPORTED": "warn", "PENSTOCK_SAMPLING__MIROSTAT": "1"}
    done = penstock("complete", "red", "-m", "echo:", env=said)
    assert done.stdout == "red\n"
    assert done.stderr.splitlines()[0] == "warning: echo does not honour mirostat=1"


def test_without_a_model_the_default_of_the_plugins_answers_the_same_twice(penstock):
    call = ("complete", "Once upon a time", "--max-tokens", "60", "--temperature", "0")
    first, second = penstock(*call), penstock(*call)
    assert first.returncode == second.returncode == 0
    assert len(first.stdout.split()) > 20
    assert first.stdout == second.stdout


def test_a_stop_string_that_spans_tokens_cuts_before_it(penstock):
    done = penstock("complete", "the quick brown fox", "-m", "echo:", "--stop", "ick br")
    assert done.stdout == "the qu\n"
    assert "stop_sequence 'ick br'" in done.stderr


def test_several_stop_strings_cut_at_the_first_in_the_text(penstock):
    done = penstock("complete", "one two three", "-m", "echo:", "--stop", "three", "--stop", "two")
    assert done.stdout == "one \n"


def test_a_dash_reads_the_prompt_from_stdin_less_its_last_line_end(penstock):
    done = penstock("complete", "-", "-m", "echo:", "--json", say="from\na pipe\n")
    assert json.loads(done.stdout)["text"] == "from\na pipe"


def test_text_is_flushed_as_it_comes(started):
    child = started(*SLOW)
    begun = time.monotonic()
    assert os.read(child.stdout.fileno(), 1) == b"0"
    assert time.monotonic() - begun < 10
    assert child.poll() is None


def test_quiet_says_nothing_but_the_text(penstock):
    done = penstock("complete", "hush", "-m", "echo:", "--quiet")
    assert (done.stdout, done.stderr) == ("hush\n", "")


def test_json_is_one_object_with_text_reason_and_figures(penstock):
    done = penstock("complete", "a b c", "-m", "echo:", "--seed", "7", "--json")
    record = json.loads(done.stdout)
    assert record["text"] == "a b c"
    assert record["finish_reason"] == "stop"
    assert record["usage"]["completion_tokens"] == 2
    assert record["timings"]["ttft"] > 0
    assert record["effective"] == {"temperature": 0.0, "seed": 7, "ignore_eos": False}
    assert (record["model"], record["backend"]) == ("echo", "echo")
    assert done.stderr == ""


def test_json_holds_the_partial_text_and_the_error_of_a_failure(penstock):
    done = penstock("complete", "abcdef", "-m", "echo:", "--option", "fail_after=1", "--json")
    record = json.loads(done.stdout)
    assert (done.returncode, record["text"], record["finish_reason"]) == (5, "abc", "error")
    assert record["error"]["type"] == "EngineError"


def test_a_failure_leaves_the_text_so_far_on_stdout(penstock):
    done = penstock("complete", "abcdef", "-m", "echo-blocking:", "--option", "fail_after=1")
    assert (done.returncode, done.stdout) == (5, "abc\n")
    assert done.stderr.splitlines() == [
        "error: the engine failed: RuntimeError('echo was told to fail')"
    ]


def test_ctrl_c_stops_the_generation_and_keeps_the_text(started, read_until):
    child = started(*SLOW)
    seen = read_until(child.stdout.fileno(), b"3 4")
    child.send_signal(signal.SIGINT)
    rest, errors = child.communicate(timeout=10)
    assert child.returncode == 130
    text = (seen + rest).decode()
    assert text.endswith("\n")
    assert LONG.startswith(text[:-1])
    assert len(text) < len(LONG)
    assert errors.endswith(b", stopped]\n")


def test_ctrl_c_keeps_the_text_in_json_too(started, read_until, terminal):
    ours, theirs = terminal
    child = started(*SLOW, "--json", stderr=theirs)
    read_until(ours, b"ready 100%")
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    record = json.loads(child.stdout.read())
    assert child.wait(timeout=10) == 130
    assert record["finish_reason"] == "stopped"
    assert 0 < len(record["text"]) < len(LONG)


def test_ctrl_c_stops_a_real_model(started, read_until):
    child = started("complete", "Once upon a time", "--temperature", "0", "--stop", "@never@")
    seen = read_until(child.stdout.fileno(), b" ")
    child.send_signal(signal.SIGINT)
    rest, errors = child.communicate(timeout=5)
    assert b"Traceback" not in errors
    assert child.returncode in (0, 130)  # 0: the story was told before the signal came
    assert (seen + rest).endswith(b"\n")


def test_ctrl_c_stops_the_loading_of_a_model(started, read_until, terminal):
    ours, theirs = terminal
    child = started("complete", "x", "-m", "echo:", "--option", "load_seconds=60", stderr=theirs)
    read_until(ours, b"loading 0%")
    child.send_signal(signal.SIGINT)
    child.wait(timeout=5)
    os.write(theirs, b"nothing else")
    assert b"Traceback" not in read_until(ours, b"nothing else")
    assert child.returncode == 130


def test_a_process_told_to_ignore_ctrl_c_goes_on(started, read_until):
    child = started(
        "complete", "a b c " * 30, "-m", "echo:", "--option", "delay=0.02",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    seen = read_until(child.stdout.fileno(), b"a b")
    child.send_signal(signal.SIGINT)
    rest, _ = child.communicate(timeout=15)
    assert (child.returncode, seen + rest) == (0, ("a b c " * 30).encode() + b"\n")


def test_a_reader_that_goes_away_ends_the_process_at_once_and_in_silence(started, read_until):
    child = started(*SLOW)
    read_until(child.stdout.fileno(), b"0 1 2 3")
    child.stdout.close()
    begun = time.monotonic()
    errors = child.stderr.read()
    assert child.wait(timeout=5) == 141
    assert time.monotonic() - begun < 3
    assert errors == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_an_error_in_one_line(started):
    with Path("/dev/full").open("wb") as full:
        child = started("complete", "x", "-m", "echo:", stdout=full)
        errors = child.stderr.read().decode()
    assert child.wait(timeout=5) == 1
    assert errors.count("\n") == 1
    assert errors.startswith("error: [Errno 28]")


def test_load_progress_is_shown_on_a_terminal_and_wiped(started, read_until, terminal):
    ours, theirs = terminal
    child = started("complete", "x", "-m", "echo:", stderr=theirs)
    said = read_until(ours, b"stop]")
    child.wait(timeout=5)
    assert b"loading 75%" in said
    assert said.split(b"\r\x1b[K")[-1].startswith(b"[1 tokens")


def test_bytes_that_are_no_text_are_replaced(penstock):
    done = penstock("complete", os.fsdecode(b"caf\xe9!"), "-m", "echo:")
    assert done.stdout == "caf\ufffd!\n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "there is no PROMPT. Give it as an argument, or through a pipe"),
        (("x", "--bogus"), 2, "--bogus"),
        (("x", "-m", "echo:", "--temperature", "-1"), 2, "temperature is -1.0. It must be 0"),
        (("x", "-m", "echo:", "--top-k", "3"), 2, "does not honour top_k=3"),
        (("x", "-m", "echo:", "--option", "delay"), 2, "It is written KEY=VALUE"),
        (("x", "-m", "echo:", "--option", "dealy=1"), 2, "echo has no option 'dealy'"),
        (("x", "-m", "eco:"), 3, "Did you mean 'echo'?"),
        (("x", "-m", "./README.nothing"), 4, "there is no file './README.nothing'"),
        (("x", "-m", "echo:", "--option", "fail_load=true"), 4, "echo was told to fail"),
        (("x" * 99, "-m", "echo:", "--option", "context_length=9"), 5, "the context holds 9"),
    ],
)
def test_an_error_is_one_line_with_a_status_of_its_kind(penstock, arguments, status, said):
    done = penstock("complete", *arguments)
    assert done.returncode == status
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
