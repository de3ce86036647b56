"""Completion by a real bash, and what the pages of help cost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, environment
from tests.cli.screen import TAB

HEAVY = ("prompt_toolkit", "pydantic", "rich", "jinja2", "penstock.config")
BASH = shutil.which("bash")


@pytest.fixture
def bash(on_terminal):
    if BASH is None:
        pytest.skip("there is no bash")
    env = {"PS1": "$ ", "PENSTOCK_MODELS__MY_OWN__SOURCE": "pocket:"}
    shell = on_terminal("--norc", "--noprofile", program=BASH, env=env, columns=120)
    shell.until_shown("$")
    shell.press(
        f'PATH="{Path(COMMAND).parent}:$PATH"; eval "$(penstock --show-completion)"; clear\r'
    )
    shell.until(lambda: shell.text.strip() == "$", "it is not ready")
    return shell


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("penstock compl", "$ penstock complete"),
        ("penstock complete --max-t", "$ penstock complete --max-tokens"),
        ("penstock chat -m pock", "$ penstock chat -m pocket:"),
        ("penstock chat --model qwen3-0.", "$ penstock chat --model qwen3-0.6b"),
        ("penstock chat -m my_", "$ penstock chat -m my_own"),
        ("penstock config expl", "$ penstock config explain"),
        ("penstock tokens x -m echo-bl", "$ penstock tokens x -m echo-blocking:"),
    ],
)
def test_bash_completes(bash, typed, completed):
    bash.press(typed, TAB)
    bash.until_shown(completed)


@pytest.mark.parametrize(
    ("shell", "asked", "answer"),
    [
        (
            "zsh",
            {},
            '_arguments \'*: :(("pocket\\\\:":"a small chat model that ships in this package"))\'',
        ),
        (
            "fish",
            {"_TYPER_COMPLETE_FISH_ACTION": "get-args"},
            "pocket:\ta small chat model that ships in this package",
        ),
        (
            "powershell",
            {"_TYPER_COMPLETE_WORD_TO_COMPLETE": "pock"},
            "pocket::::a small chat model that ships in this package",
        ),
    ],
)
def test_other_shells_get_the_answer_they_ask_for(penstock, shell, asked, answer):
    asked = {"_TYPER_COMPLETE_ARGS": "penstock chat -m pock", **asked}
    done = penstock(env={"_PENSTOCK_COMPLETE": f"complete_{shell}", **asked})
    assert (done.stdout.strip(), done.stderr) == (answer, "")


def test_the_script_is_shown_and_installed(bash, tmp_path):
    bash.press("clear; penstock --install-completion\r")
    bash.until_shown("completion installed in")
    assert "penstock" in (tmp_path / ".bashrc").read_text()


def loaded_by(*arguments: str) -> set[str]:
    program = (
        "import sys, penstock.cli; sys.argv = ['penstock', *sys.argv[1:]]; penstock.cli.main();"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=30,
        check=True,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [(), ("--help",), ("--version",)])
def test_help_imports_nothing_heavy(arguments):
    assert not loaded_by(*arguments) & set(HEAVY)


def test_completing_in_a_pipe_imports_no_terminal():
    loaded = loaded_by("complete", "x", "-m", "echo:")
    assert not loaded & {"prompt_toolkit", "rich", "jinja2"}
    assert "rich" in loaded_by("backends")  # the check can fail
