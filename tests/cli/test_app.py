"""The commands together."""

from __future__ import annotations

import subprocess
import sys
import sysconfig

import penstock as library
import pytest
from penstock import EngineError
from penstock.cli.commands import COMMANDS
from penstock.cli.status import report

from .conftest import SECONDS


def test_version_names_the_version(penstock):
    done = penstock("--version")
    assert (done.returncode, done.stdout) == (0, f"penstock {library.__version__}\n")


def test_without_a_command_the_help_is_shown(penstock):
    done = penstock()
    assert done.returncode == 0
    for command, summary in COMMANDS.items():
        assert f"  {command} " in done.stdout
        assert summary in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_called_by_its_name_and_has_help(penstock, command):
    done = penstock(command, "--help")
    assert done.returncode == 0
    assert f"penstock {command}" in done.stdout


def test_an_unknown_command_is_a_usage_error(penstock):
    done = penstock("complet")
    assert done.returncode == 2
    assert done.stderr == "error: there is no command 'complet'. Did you mean 'complete'?\n"


def test_a_group_without_a_command_shows_its_help_alone(penstock):
    done = penstock("config")
    assert done.returncode == 2
    assert "Usage: penstock config" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_standard_stream_may_be_closed(closed):
    scripts = sysconfig.get_path("scripts")
    done = subprocess.run(
        ["bash", "-c", f"{scripts}/penstock chat - -m echo: {closed}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_control_characters_of_an_error_do_not_command_the_terminal(capsys):
    report(EngineError("the server answered: \x1b[2J\x1b]0;title\x07\nno"))
    assert capsys.readouterr().err == "error: the server answered: ␛[2J␛]0;title␇ no\n"


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_the_command_is_a_module_too(penstock):
    done = python("-m", "penstock", "complete", "red", "-m", "echo:", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "red\n", "")
    assert (
        "Usage: python -m penstock complete"
        in python("-m", "penstock", "complete", "--help").stdout
    )
    done = python("-m", "penstock", "complete", "red", "-m", "nobody:x")
    assert done.returncode == penstock("complete", "red", "-m", "nobody:x").returncode != 0


INTERRUPTED = """
import sys

class Interrupted:
    def find_spec(self, name, path, target=None):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from penstock.cli import main
sys.exit(main())
"""


def test_ctrl_c_while_it_starts_is_no_traceback():
    done = python("-c", INTERRUPTED)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
