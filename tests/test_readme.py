"""The README keeps its promises: its code runs, and what it names exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
FIRST = BLOCKS[0]


def run(program: str) -> subprocess.CompletedProcess[str]:
    scripts = sysconfig.get_path("scripts")
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_first_block_tells_a_story_and_remembers_a_name():
    done = run(FIRST)
    assert (done.returncode, done.stderr) == (0, "")
    story, _, answer = done.stdout.strip().rpartition("\n")
    assert len(story.split()) > 3
    assert "Ada" in answer


def test_every_block_runs_behind_those_before_it():
    done = run("\n".join(BLOCKS))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_configuration_is_right(tmp_path):
    (written,) = re.findall(r"^```toml\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    (tmp_path / "penstock.toml").write_text(written)
    done = run(f"""
import os, subprocess, penstock
os.chdir({str(tmp_path)!r})
subprocess.run(["penstock", "config", "check"], check=True, stdout=subprocess.DEVNULL)
with penstock.sync.load("local") as model:
    print(model.info.backend)
""")
    assert (done.stdout, done.stderr) == ("llamacpp\n", "")


def test_the_first_block_has_ten_lines_at_the_most():
    assert len([line for line in FIRST.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("target", re.findall(r"\]\(([^):#]+)\)", README))
def test_a_link_leads_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("goal", re.findall(r"^make (\w+)", README, re.MULTILINE))
def test_a_command_of_make_is_in_the_makefile(goal):
    assert re.search(rf"^{goal}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
