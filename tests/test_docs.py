"""Every page keeps its promises: code runs, commands succeed, links lead somewhere.

Python blocks run in order and in one namespace, with `await` at the top level as in a notebook. A
block that begins with the comment `# name.py` is also saved under that name, and a toml block with
entry points installs it, as a distribution of a folder that exists for this test alone. Lines of sh
blocks that begin with `penstock`, or pipe into it, are run. A toml block that begins with the
comment `# penstock.toml` is the configuration of all that runs on its page.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

import anyio
import penstock_ctransformers.options as ctransformers
import penstock_openai.options as openai
import penstock_pocket
import pytest
from penstock import Capabilities, Deadlines, Sampling, Timings, Usage
from penstock.streams.deltas import DeltaStream

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for pattern in ("docs/*.md", "backends/*/README.md", "plugins/*/README.md")
    for page in ROOT.glob(pattern)
)
ANY_MODEL = "/path/to/model.gguf"
"""Stands for a model of the reader's; the pocket model takes its place here."""

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"# (\w+)\.py\n")
CONFIGURATION = "# penstock.toml\n"


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int


def blocks_of(page: Path, *languages: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [Block(m[1], m[2], text[: m.start(2)].count("\n")) for m in FENCE.finditer(text)]
    return [block for block in found if block.language in languages]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


WITH_CODE = [page for page in PAGES if blocks_of(page, "python")]
COMMANDS = [
    (name_of(page), line)
    for page in PAGES
    for block in blocks_of(page, "sh")
    for line in block.text.splitlines()
    if re.match(r"(.*\| )?penstock ", line)
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to import from, forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def prepare(page: Path, folder: Path) -> None:
    """Save what has a name, the last block of a name last, and install what is declared."""
    for block in blocks_of(page, "python"):
        if named := NAMED.match(block.text):
            (folder / f"{named[1]}.py").write_text(block.text, encoding="utf-8")
    for block in blocks_of(page, "toml"):
        declared = tomllib.loads(block.text).get("project", {}).get("entry-points", {})
        if declared:
            install(folder, declared)
    importlib.invalidate_caches()


def install(folder: Path, groups: dict[str, dict[str, str]]) -> None:
    info = folder / "from_the_docs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: from-the-docs\nVersion: 1.0\n")
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


def configured(page: Path, folder: Path) -> Path:
    """Return where to run what is on a page: in a folder with its configuration, if it has one."""
    for block in blocks_of(page, "toml"):
        if block.text.startswith(CONFIGURATION):
            (folder / "penstock.toml").write_text(block.text, encoding="utf-8")
            return folder
    return ROOT


def execute(block: Block, page: Path, names: dict[str, object]) -> None:
    """Run one block; a traceback names the page and its line."""
    text = block.text.replace(ANY_MODEL, str(penstock_pocket.path()))
    source = "\n" * block.line + text
    code = compile(
        source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    coroutine = eval(code, names)
    if inspect.iscoroutine(coroutine):
        anyio.run(lambda: coroutine)


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_code_of_a_page_runs(page, folder, monkeypatch):
    prepare(page, folder)
    monkeypatch.chdir(configured(page, folder))
    names: dict[str, object] = {"__name__": "from_the_docs"}
    for block in blocks_of(page, "python"):
        execute(block, page, names)


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_a_page_whose_code_is_no_program_as_it_stands_says_so(page):
    try:
        for block in blocks_of(page, "python"):
            compile(block.text, str(page), "exec", dont_inherit=True)
    except SyntaxError:
        text = " ".join(page.read_text(encoding="utf-8").split())
        assert "as in a notebook" in text
        assert "in a program" in text


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_on_a_page_succeeds(page, line, tmp_path):
    scripts = sysconfig.get_path("scripts")
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=configured(ROOT / page, tmp_path),
        env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert "://" in target or (page.parent / target).exists(), target


def test_the_first_backend_has_fifteen_lines_at_the_most():
    first = blocks_of(ROOT / "docs" / "writing-a-backend.md", "python")[0]
    lines = [line for line in first.text.splitlines() if line.strip() and line[0] != "#"]
    assert len(lines) == 11


def test_the_backend_of_the_docs_keeps_the_laws(folder):
    page = ROOT / "docs" / "writing-a-backend.md"
    prepare(page, folder)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "asyncio", "."],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "13 passed" in done.stdout, done.stdout


def test_the_laws_are_listed_with_their_numbers_and_titles():
    from penstock.testing import LAWS

    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = re.findall(r"^(\d+)\. \*\*(.+?)\.\*\*", text, re.MULTILINE)
    assert [(int(number), title.lower()) for number, title in listed] == [
        (law.number, law.title.lower()) for law in LAWS
    ]


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("docs/options.md", Sampling),
        ("docs/streams.md", Deadlines),
        ("docs/figures.md", Timings),
        ("docs/figures.md", Usage),
        ("docs/writing-a-backend.md", Capabilities),
        ("backends/ctransformers/README.md", ctransformers.LoadOptions),
        ("backends/openai/README.md", openai.LoadOptions),
    ],
)
def test_every_field_is_on_its_page(page, kind):
    """What there is to be set, or read, is found without reading the code."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [field.name for field in fields(kind) if f"`{field.name}`" not in text] == []


def test_every_key_of_the_configuration_is_on_its_page():
    from penstock.config.schema import Document, Entry

    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for key in Entry.model_fields:
        assert f"| `{key}` |" in text, key
    for key in Document.model_fields:
        assert f"`{key}" in text, key


def test_every_method_of_a_stream_is_on_its_page():
    text = (ROOT / "docs" / "streams.md").read_text(encoding="utf-8")
    shown = {name for name, made in vars(DeltaStream).items() if inspect.isfunction(made)}
    assert [name for name in sorted(shown) if f".{name}(" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_is_linked_from_another(page):
    others = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
    links = {
        (other.parent / target).resolve()
        for other in others
        if other != page
        for target in re.findall(r"\]\(([^):#]+)", other.read_text(encoding="utf-8"))
    }
    assert page in links


def test_every_command_and_option_of_the_cli_is_on_its_page():
    from penstock.cli.commands import COMMANDS

    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    named = {"message": "MESSAGE", "name": "NAME", "prompt": "PROMPT", "text": "TEXT"}
    options = {"as_json": "--json", "as_jsonl": "--jsonl", "as_chat": "--chat"}
    for name in COMMANDS:
        assert f"`{name}" in text, name
        command = getattr(importlib.import_module(f"penstock.cli.{name}"), name, None)
        if command is None:  # it has commands of its own, and a page
            continue
        for parameter in inspect.signature(command).parameters:
            option = options.get(parameter, f"--{parameter}".replace("_", "-"))
            assert named.get(parameter, option) in text, option
