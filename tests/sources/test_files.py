"""`file:`."""

from __future__ import annotations

from pathlib import Path

import pytest
from penstock.errors import ModelNotFound
from penstock_sources.files import resolve


@pytest.mark.parametrize("form", ["{}", "//{}", "//localhost{}"])
def test_a_path_and_a_url_name_the_file(tmp_path, form):
    file = tmp_path / "a model.gguf"
    file.touch()
    text = str(file) if form == "{}" else str(file).replace(" ", "%20")
    assert resolve(form.format(text)) == file


def test_a_path_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.gguf").touch()
    assert resolve("x.gguf") == Path("x.gguf")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gone.gguf", "there is no file 'gone.gguf'"),
        ("", "names no file"),
        ("//else/where.gguf", "names the machine 'else'.*three slashes"),
    ],
)
def test_what_is_not_there_is_told(text, said):
    with pytest.raises(ModelNotFound, match=said):
        resolve(text)
