"""The C library: loaded once, checked, and cheap to leave alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from penstock.errors import LoadError
from penstock_llamacpp import library


def test_it_is_loaded_once() -> None:
    assert library.load_library() is library.load_library()


@pytest.mark.parametrize("found", ["0.3.35", "0.2.90", "0.4.0", "1.0", "banana"])
def test_another_release_is_refused(found: str) -> None:
    with pytest.raises(LoadError, match=r"pip install"):
        library._check_version(found)


@pytest.mark.parametrize("found", ["0.3.36", "0.3.40", "0.3.36.post1"])
def test_a_release_in_range_is_accepted(found: str) -> None:
    library._check_version(found)


def test_a_missing_package_is_an_error_that_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setattr(library, "DISTRIBUTION", "no-such-distribution")
    with pytest.raises(LoadError, match="pip install"):
        library.version()


def test_declaring_the_backend_imports_no_engine() -> None:
    script = (
        "import sys, penstock_llamacpp.plugin as p; list(p.penstock_backends());"
        "sys.exit(bool({'llama_cpp', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_declaration_names_a_class_that_exists() -> None:
    import importlib

    from penstock.backend import Backend
    from penstock_llamacpp.plugin import penstock_backends

    (declared,) = penstock_backends()
    module, _, name = declared.factory.partition(":")
    assert issubclass(getattr(importlib.import_module(module), name), Backend)
    assert (declared.name, declared.formats) == ("llamacpp", ("gguf",))
