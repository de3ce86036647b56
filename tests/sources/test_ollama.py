"""`ollama:`, with a store as Ollama writes it."""

from __future__ import annotations

import hashlib
import json

import penstock
import pytest
from penstock.errors import LoadError, ModelNotFound
from penstock_sources import ollama


@pytest.fixture
def store(tmp_path, monkeypatch, body):
    """Put models into a store; returns a function that does."""
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    digest = hashlib.sha256(body).hexdigest()
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / f"sha256-{digest}").write_bytes(body)

    def put(name: str, *layers: tuple[str, str]) -> None:
        weights = ("application/vnd.ollama.image.model", f"sha256:{digest}")
        listed = [{"mediaType": kind, "digest": d} for kind, d in layers or (weights,)]
        manifest = tmp_path / "manifests" / "registry.example" / name
        manifest.parent.mkdir(parents=True, exist_ok=True)
        template = {"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:1"}
        manifest.write_text(json.dumps({"layers": [template, *listed]}))

    put("library/pocket/latest")
    put("library/pocket/3m")
    put("someone/theirs/latest")
    return put


@pytest.mark.parametrize(
    "name",
    [
        "pocket", "pocket:latest", "pocket:3m", "library/pocket", "someone/theirs", "Pocket",
        "registry.example/someone/theirs:latest",
    ],
)  # fmt: skip
def test_every_form_of_a_name_is_found(store, body, name):
    assert ollama.resolve(name).read_bytes() == body


@pytest.mark.anyio
async def test_it_is_opened_where_it_lies_and_its_first_bytes_tell_its_backend(store, tmp_path):
    async with penstock.load("ollama:pocket:3m") as model:
        assert model.info.backend == "llamacpp"
        assert (await model.complete("Once", max_tokens=2)).text


@pytest.mark.parametrize("name", ["poket", "theirs", "pocket:7b", ""])
def test_what_is_not_there_is_answered_with_what_is_the_nearest_first(store, name):
    with pytest.raises(ModelNotFound, match=r"There is '.*pocket:latest'") as caught:
        ollama.resolve(name)
    if name == "pocket:7b":
        assert "There is 'pocket:3m'" in str(caught.value)


def test_an_empty_store_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "nothing"))
    with pytest.raises(ModelNotFound, match="Run `ollama pull llama`, or set OLLAMA_MODELS"):
        ollama.resolve("llama")


@pytest.mark.parametrize(
    "layer",
    [
        ("application/vnd.ollama.image.model", "sha256:" + "0" * 64),
        ("application/vnd.ollama.image.model", "sha256:../../etc/passwd"),
        ("application/vnd.ollama.image.projector", "sha256:" + "0" * 64),
    ],
)
def test_a_damaged_model_is_told_so_and_hides_no_other(store, layer):
    store("library/broken/latest", layer)
    with pytest.raises(
        LoadError, match=r"'broken:latest'.*is damaged.*`ollama pull broken:latest`"
    ):
        ollama.resolve("broken")
    assert len(list(ollama.stored())) == 3


def test_a_manifest_that_is_no_json_is_told_so(store, tmp_path):
    (tmp_path / "manifests" / "registry.example" / "library" / "pocket" / "odd").write_text(
        "<html>"
    )
    with pytest.raises(LoadError, match="its manifest cannot be read"):
        ollama.resolve("pocket:odd")


def test_the_store_is_listed(store):
    assert [model.source for model in ollama.stored()] == [
        "ollama:pocket:3m",
        "ollama:pocket:latest",
        "ollama:someone/theirs:latest",
    ]
    assert [model.source for model in ollama.stored("pocket:3m")] == ["ollama:pocket:3m"]
