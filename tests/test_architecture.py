"""What the folders claim, and what importing costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import penstock
import pytest
from penstock import errors
from penstock.registry import Registry

ROOT = Path(__file__).parent.parent
CORE = ROOT / "core" / "src" / "penstock"
DISTRIBUTIONS = [
    "penstock",
    "penstock-ctransformers",
    "penstock-llamacpp",
    "penstock-openai",
    "penstock-pocket",
    "penstock-sources",
]
BACKENDS = ROOT / "backends"
PACKAGES = {
    "penstock": CORE,
    "penstock_ctransformers": BACKENDS / "ctransformers" / "src" / "penstock_ctransformers",
    "penstock_llamacpp": BACKENDS / "llamacpp" / "src" / "penstock_llamacpp",
    "penstock_openai": BACKENDS / "openai" / "src" / "penstock_openai",
    "penstock_pocket": ROOT / "plugins" / "pocket" / "src" / "penstock_pocket",
    "penstock_sources": ROOT / "plugins" / "sources" / "src" / "penstock_sources",
}
HEAVY = {
    "aiohttp", "ctransformers", "filelock", "httpx", "httpx2", "huggingface_hub", "jinja2",
    "jsonschema", "llama_cpp", "llguidance", "numpy", "openai", "platformdirs", "prompt_toolkit",
    "pydantic", "pytest", "rich", "tomllib", "trio", "typer",
}  # fmt: skip
NAMES_OF_OTHERS = re.compile(  # llama2 and llama3 are formats of chats
    r"llama(?![23]\b)|ctransformers|openai|pocket|vllm|ollama|anthropic|mlx|transformers",
    re.IGNORECASE,
)
MODULES = sorted(info.name for info in pkgutil.walk_packages([str(CORE)], "penstock."))


def loaded_by(statement: str) -> set[str]:
    """Return the top names of what a fresh interpreter has loaded behind `statement`."""
    program = f"import sys; {statement}; print(*(name.split('.')[0] for name in sys.modules))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return set(done.stdout.split())


def imports_of(file: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it, except for type checkers."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
    return found


def files_of(package: str) -> list[Path]:
    return sorted(PACKAGES[package].rglob("*.py"))


# public names


def test_every_public_name_is_there_once():
    assert len(penstock.__all__) == len(set(penstock.__all__))
    for name in penstock.__all__:
        assert hasattr(penstock, name), name


def test_what_the_package_defines_for_users_is_public():
    defined = {
        name
        for name, value in vars(penstock).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert defined == set(penstock.__all__) - {"hookimpl", "sync"}


def test_every_error_is_public():
    assert set(errors.__all__) <= set(penstock.__all__)
    in_the_tree = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert in_the_tree == set(errors.__all__)


def test_every_error_is_drawn_in_the_tree_of_the_docstring():
    for name in errors.__all__:
        assert name in (errors.__doc__ or ""), name


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_is_public_and_has_it(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for public in module.__all__:
        assert hasattr(module, public), public


# what importing costs


@pytest.mark.parametrize(
    "module",
    [
        "penstock",
        "penstock.sync",
        "penstock.testing",
        "penstock_ctransformers.plugin",
        "penstock_llamacpp.plugin",
        "penstock_openai.plugin",
        "penstock_pocket",
        "penstock_sources.plugin",
    ],
)
def test_importing_is_cheap(module):
    assert not loaded_by(f"import {module}") & HEAVY


def test_what_few_need_is_imported_when_they_need_it():
    assert not loaded_by("import penstock") & {"difflib", "pathlib", "pluggy", "queue"}
    assert "pluggy" in loaded_by("from penstock import hookimpl")
    assert {"hookimpl", "sync"} <= set(dir(penstock))
    assert penstock.sync is importlib.import_module("penstock.sync")
    with pytest.raises(AttributeError, match="no attribute 'snyc'"):
        penstock.snyc  # noqa: B018


def test_looking_plugins_up_imports_no_engine():
    looked_up = "import penstock; penstock.Registry.installed()"
    assert not loaded_by(f"{looked_up}; assert 'penstock.testing' not in sys.modules") & HEAVY


def test_the_check_of_imports_can_fail():
    assert loaded_by("import penstock, jinja2") & HEAVY == {"jinja2"}


# what folders claim


@pytest.mark.parametrize("file", files_of("penstock"), ids=lambda f: str(f.relative_to(CORE)))
def test_core_names_no_backend_and_no_engine(file):
    found = NAMES_OF_OTHERS.search(file.read_text(encoding="utf-8"))
    assert found is None, found


def test_only_the_command_line_imports_typer_and_rich():
    for file in files_of("penstock"):
        if not file.is_relative_to(CORE / "cli"):
            assert not imports_of(file) & {"prompt_toolkit", "typer", "rich"}, file


def test_only_the_templates_import_jinja2():
    for file in files_of("penstock"):
        if not file.is_relative_to(CORE / "templates"):
            assert "jinja2" not in {name.partition(".")[0] for name in imports_of(file)}, file


def test_the_command_line_is_imported_by_nobody():
    for package in PACKAGES:
        for file in files_of(package):
            if not file.is_relative_to(CORE / "cli") and file != CORE / "__main__.py":
                assert not any(name.startswith("penstock.cli") for name in imports_of(file)), file


@pytest.mark.parametrize("package", sorted(set(PACKAGES) - {"penstock"}))
def test_distributions_know_core_and_not_each_other(package):
    others = set(PACKAGES) - {package, "penstock"}
    for file in files_of(package):
        assert not {name.split(".")[0] for name in imports_of(file)} & others, file


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_is_longer_than_can_be_read_in_one_sitting(package):
    for file in files_of(package):
        assert len(file.read_text(encoding="utf-8").splitlines()) < 600, file


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_tells_type_checkers_that_it_has_types(package):
    assert (PACKAGES[package] / "py.typed").exists()


@pytest.mark.parametrize("folder", ["core", "backends", "plugins", "tests", "benchmarks"])
def test_folders_at_the_top_are_no_packages(folder):
    assert not (ROOT / folder / "__init__.py").exists()


# what distributions declare


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_entry_points_of_a_distribution_lead_somewhere(name):
    entries = [entry for entry in distribution(name).entry_points if entry.group == "penstock"]
    assert entries
    for entry in distribution(name).entry_points:
        assert entry.load() is not None


def test_every_installed_backend_and_source_can_be_imported():
    registry = Registry.installed()
    assert {record.state for record in registry.records} == {"loaded"}
    for backend in registry.backends.values():
        assert callable(pkgutil.resolve_name(backend.factory))
        assert callable(pkgutil.resolve_name(backend.options).of)
    for source in registry.sources.values():
        assert callable(pkgutil.resolve_name(source.resolve))


def test_the_version_is_told_once():
    assert distribution("penstock").version == penstock.__version__


def test_every_pin_is_a_release_and_not_a_place():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 30
    for pin in pins:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin), pin
    assert not any(pin.startswith("torch") for pin in pins)
