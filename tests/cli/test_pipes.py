"""The command between other commands: stdin, pipes, forms of output, and statuses."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, environment

ECHO = ("-m", "echo:")
LONG = " ".join(str(number) for number in range(1000))


def shell(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", script],
        env=environment({"PATH": path} | env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lines_of(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_file_is_continued_through_a_pipe(tmp_path):
    (tmp_path / "file").write_text("red green\n")
    done = shell(f"cat {tmp_path}/file | penstock complete - -m echo: -q")
    assert (done.stdout, done.stderr) == ("red green\n", "")


def test_without_a_prompt_the_pipe_is_read(tmp_path):
    done = shell("echo red green | penstock complete -m echo: -q | tr a-z A-Z")
    assert done.stdout == "RED GREEN\n"


def test_head_ends_it_in_silence_with_141():
    script = f"penstock complete '{LONG}' -m echo: --option delay=0.001 --jsonl | head -1; "
    done = shell(script + 'echo "${PIPESTATUS[0]}"')
    first, status = done.stdout.splitlines()
    assert json.loads(first)["text"]
    assert (status, done.stderr) == ("141", "")


@pytest.mark.parametrize("arguments", ["models --presets", "--help", "plugins --jsonl"])
def test_any_output_may_lose_its_reader(arguments):
    done = shell(f"penstock {arguments} | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}")
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "141")  # 0: all was written before head ended


@pytest.mark.parametrize("arguments", ["complet", "complete --bogus", "complete x -m nowhere.gguf"])
def test_an_error_that_nobody_reads_ends_with_141(started, arguments):
    ours, theirs = os.pipe()
    os.close(ours)
    child = started(*arguments.split(), stderr=theirs)
    os.close(theirs)
    assert child.wait(timeout=30) == 141


@pytest.mark.parametrize("command", ["complete", "chat"])
def test_a_pipe_gets_no_colour_and_no_progress(penstock, command):
    done = penstock(command, "**red**", *ECHO, env={"TERM": "xterm-256color"})
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout == "**red**\n"


@pytest.mark.parametrize("command", ["complete", "chat"])
def test_jsonl_is_an_object_a_piece_and_the_end(penstock, command):
    *deltas, end = lines_of(penstock(command, "red green", *ECHO, "--jsonl"))
    assert len(deltas) > 1
    assert "".join(delta["text"] for delta in deltas) == "red green"
    assert end["finish"]["finish_reason"] == "stop"
    assert (end["finish"]["model"], end["finish"]["backend"]) == ("echo", "echo")
    assert end["finish"]["usage"]["completion_tokens"] == len(deltas)


def test_jsonl_ends_with_the_error_of_a_failure(penstock):
    done = penstock("complete", "abcdef", *ECHO, "--option", "fail_after=1", "--jsonl")
    assert done.returncode == 5
    first, last = lines_of(done)
    assert first["text"] == "abc"
    assert last["error"]["type"] == "EngineError"


@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_json_keeps_every_letter_where_the_output_is_not_utf_8(penstock, form):
    text = "Größe 漢字 🙂"
    done = penstock("complete", text, *ECHO, form, env={"PYTHONIOENCODING": "cp1252"})
    assert done.stdout.isascii()
    assert "".join(line.get("text", "") for line in lines_of(done)) == text


def test_jsonl_comes_as_it_is_generated(started, read_until):
    child = started("complete", LONG, *ECHO, "--option", "delay=0.01", "--jsonl")
    read_until(child.stdout.fileno(), b"}\n")
    assert child.poll() is None


@pytest.mark.parametrize(
    ("command", "key"),
    [("models", "path"), ("backends", "formats"), ("plugins", "offers"), ("doctor", "ok")],
)
def test_lists_are_an_array_or_an_object_a_line(penstock, command, key):
    array = json.loads(penstock(command, "--json").stdout)
    lines = lines_of(penstock(command, "--jsonl"))
    assert array == lines
    assert all(key in record for record in array)
    assert len(array) >= 1


@pytest.mark.parametrize(
    "command", ["complete x", "chat x", "models", "backends", "plugins", "doctor", "tokens x",
                "render x", "pull pocket:", "rm pocket:"],
)  # fmt: skip
def test_both_forms_at_once_are_refused(penstock, command):
    done = penstock(*command.split(), "--json", "--jsonl")
    assert done.returncode == 2
    assert done.stderr == "error: --json and --jsonl are both given. Choose one of them\n"


def test_pull_tells_of_a_path_and_of_progress(penstock):
    assert json.loads(penstock("pull", "pocket:", "--json").stdout)["path"].endswith("pocket.gguf")
    *progress, last = lines_of(penstock("pull", "pocket:", "--jsonl"))
    assert progress[0]["progress"]["phase"] == "resolving"
    assert last["name"] == "pocket:"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_schema_from_a_file_binds_the_answer(penstock, tmp_path, encoding):
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
    schema["additionalProperties"] = False
    (tmp_path / "schema.json").write_text(json.dumps(schema), encoding=encoding)
    done = penstock("chat", "Count.", "--schema", str(tmp_path / "schema.json"), "--seed", "1")
    assert json.loads(done.stdout)["n"] in (1, 2)


def test_a_regex_and_choices_bind_the_answer(penstock):
    done = penstock("complete", "The year", "--regex", " [12][0-9]{3}", "-q")
    assert 1000 <= int(done.stdout) < 3000
    done = penstock("chat", "Yes or no?", "--choice", "yes", "--choice", "no", "-q")
    assert done.stdout in ("yes\n", "no\n")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("complete", "x", "--schema", "nowhere.json"), 2, "'nowhere.json' cannot be read"),
        (("complete", "x", "--deadline", "total"), 2, "It is written NAME=TIME"),
        (("complete", "x", "--deadline", "sum=1"), 2, "no deadline is named 'sum'"),
        (("complete", "abcdef", *ECHO, "--option", "stall_after=1", "--deadline", "idle=0.2s"), 5,
         "'idle' deadline of 0.2 s passed"),
        (("complete", "x", *ECHO, "--option", "load_seconds=9", "--deadline", "load=0.1"), 4,
         "'load' deadline of 0.1 s passed"),
        (("complete", "The", "--regex", "[a-z]{99}", "--max-tokens", "3"), 5,
         "the answer was cut before it was whole"),
        (("plugins", "extra"), 2, "extra"),
        (("plugin",), 2, "there is no command 'plugin'. Did you mean 'plugins'?"),
        (("--bogus",), 2, "--bogus"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_with_a_status_of_its_kind(penstock, arguments, status, said):
    done = penstock(*arguments)
    assert done.returncode == status
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
