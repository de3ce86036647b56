"""The README keeps its promises: its code runs, and what it names exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from penstock_openai.testing import FaultServer

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
FIRST = BLOCKS[0]


def run(program: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    scripts = sysconfig.get_path("scripts")
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def configured(tmp_path):
    """A folder with the configuration."""
    (written,) = re.findall(r"^```toml\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    (tmp_path / "penstock.toml").write_text(written)
    return tmp_path


def test_the_first_block_tells_a_story_and_remembers_a_name():
    done = run(FIRST)
    assert (done.returncode, done.stderr) == (0, "")
    story, _, answer = done.stdout.strip().rpartition("\n")
    assert len(story.split()) > 3
    assert "Ada" in answer


def test_every_block_runs_behind_those_before_it():
    done = run("\n".join(BLOCKS))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_configuration_is_right(configured):
    done = run(
        """
import subprocess, penstock
subprocess.run(["penstock", "config", "check"], check=True, stdout=subprocess.DEVNULL)
with penstock.sync.load("local") as model:
    print(model.info.backend)
""",
        configured,
    )
    assert (done.stdout, done.stderr) == ("llamacpp\n", "")


def test_a_variable_changes_the_model_of_a_program_that_names_none(configured):
    (program,) = [block for block in BLOCKS if "load()" in block]
    program = f"import penstock\n{program}"
    assert run(program, configured).stdout.startswith("llamacpp ")
    with FaultServer() as server:
        done = run(
            program,
            configured,
            PENSTOCK_MODEL="cloud",
            PENSTOCK_MODELS__CLOUD__BASE_URL=server.url,
            PENSTOCK_MODELS__CLOUD__MODEL="echo",
            LLM_API_KEY="a key",
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("openai Once")


def test_the_first_block_has_ten_lines_at_the_most():
    assert len([line for line in FIRST.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("target", re.findall(r"\]\(([^):#]+)\)", README))
def test_a_link_leads_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("goal", re.findall(r"^make (\w+)", README, re.MULTILINE))
def test_a_command_of_make_is_in_the_makefile(goal):
    assert re.search(rf"^{goal}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
