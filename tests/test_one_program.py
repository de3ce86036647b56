"""One program, three backends: what it says does not change, PENSTOCK_MODEL does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .openai.real import llama_cpp_server

PROGRAM = Path(__file__).parent / "programs" / "everything.py"

CONFIG = """
sampling = {{ temperature = 0 }}

[models.fast]
backend = "llamacpp"
source = "pocket:"

[models.old]
backend = "ctransformers"
source = "pocket:"

[models.far]
backend = "openai"
model = "pocket"
base_url = "{url}"
context_length = 512
api_key = {{ env = "FAR_KEY" }}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a penstock.toml, and a server that it names."""
    folder = tmp_path_factory.mktemp("program")
    with llama_cpp_server(folder) as url:
        (folder / "penstock.toml").write_text(CONFIG.format(url=url))
        yield folder


def said(folder: Path, model: str) -> dict[str, object]:
    environ = {**os.environ, "PENSTOCK_MODEL": model, "FAR_KEY": "nobody checks it"}
    command = [sys.executable, "-W", "error", str(PROGRAM)]
    ran = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert not ran.stderr, ran.stderr
    told = json.loads(ran.stdout)
    # Servers keep the space that a vocabulary of this kind begins an answer with.
    return told | {"name": told["name"].strip()}


@pytest.fixture(scope="module")
def here(folder):
    """What the program says of the model in its own process."""
    return said(folder, "fast")


def test_it_does_what_it_is_to_do(here):
    assert here["backend"] == "llamacpp"
    assert here["ended"] == "length"
    assert here["left"] == "stopped"
    assert here["sentence"].startswith(here["text"])
    assert "." not in here["sentence"]
    assert "Ada" in here["name"]
    assert here["said"] == ["system"] + ["user", "assistant"] * 3
    assert here["animal"]["kind"] in {"cat", "dog", "bird"}


@pytest.mark.parametrize(("model", "backend"), [("old", "ctransformers"), ("far", "openai")])
def test_another_backend_says_the_same(folder, here, model, backend):
    assert said(folder, model) == {**here, "backend": backend}


def test_a_target_will_do_as_well_as_a_name(folder, here):
    there = said(folder, "ctransformers:pocket:")
    assert (there["backend"], there["text"]) == ("ctransformers", here["text"])
