"""`penstock models` and `penstock rm`, run as a user runs them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import penstock_pocket
import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def here(tmp_path) -> dict[str, str]:
    """The environment of a machine with a model in the hub's cache, and one in Ollama's store."""
    repo = tmp_path / "hf" / "hub" / "models--some--tale-GGUF"
    snapshot = repo / "snapshots" / COMMIT
    for folder in (repo / "blobs", repo / "refs", snapshot):
        folder.mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    shutil.copy(penstock_pocket.path(), repo / "blobs" / "abc")
    (snapshot / "tale-Q8_0.gguf").symlink_to("../../blobs/abc")
    (snapshot / "gone-F16.gguf").symlink_to("../../blobs/not-there")
    store = tmp_path / "ollama"
    digest = hashlib.sha256(b"GGUF").hexdigest()
    manifest = store / "manifests" / "registry.example" / "library" / "odd" / "latest"
    manifest.parent.mkdir(parents=True)
    (store / "blobs").mkdir()
    (store / "blobs" / f"sha256-{digest}").write_bytes(b"GGUF")
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}"}
    manifest.write_text(json.dumps({"layers": [layer]}))
    return {
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1",
        "OLLAMA_MODELS": str(store),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def rows(done):
    return {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}


def test_what_is_here_is_listed_with_size_quantisation_context_and_backends(penstock, here):
    listed = rows(penstock("models", env=here))
    assert listed["Model"] == ["Size", "Quantisation", "Context", "Backends"]
    size, unit, kind, context, *backends = listed["hf:some/tale-GGUF/tale-Q8_0.gguf"]
    assert (size, unit, context) == ("3.5", "MB", listed["pocket:"][3])
    assert int(context) > 0
    assert kind != "?"
    assert "llamacpp" in " ".join(backends)
    assert "hf:some/tale-GGUF/gone-F16.gguf" not in listed


def test_a_file_that_says_nothing_is_listed_all_the_same(penstock, here):
    assert rows(penstock("models", env=here))["ollama:odd:latest"][:4] == ["4", "B", "?", "?"]


def test_a_narrow_terminal_cuts_no_name(on_terminal, here):
    terminal = on_terminal("models", columns=50, env=here)
    assert terminal.status() == 0
    assert "…" not in terminal.text
    names = "".join(line.partition("  ")[0] for line in terminal.lines)
    assert "hf:some/tale-GGUF/tale-Q8_0.gguf" in names


def test_the_name_of_a_file_does_not_command_the_terminal(penstock, here):
    file = next(Path(here["HF_HOME"]).rglob("tale-Q8_0.gguf"))
    shutil.copy(file, file.with_name("evil\x1b[2J-Q8_0.gguf"))
    assert "evil␛[2J-Q8_0.gguf" in penstock("models", env=here).stdout


def test_jsonl_is_an_object_a_line(penstock, here):
    done = penstock("models", "--jsonl", env=here)
    records = {record["name"]: record for record in map(json.loads, done.stdout.splitlines())}
    record = records["hf:some/tale-GGUF/tale-Q8_0.gguf"]
    assert record["size"] == penstock_pocket.path().stat().st_size
    assert record["path"].endswith("tale-Q8_0.gguf")
    assert record["backends"][0] == "llamacpp"
    assert isinstance(record["context_length"], int)


def test_what_is_listed_can_be_loaded(penstock, here):
    name = "hf:some/tale-GGUF/tale-Q8_0.gguf"
    done = penstock("complete", "Once", "-m", name, "--max-tokens", "3", "-q", env=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_presets_are_listed_whether_they_are_here_or_not(penstock, here):
    done = penstock("models", "--presets", env=here)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 40
    line = next(line for line in done.stdout.splitlines() if line.startswith("qwen3-0.6b "))
    assert line.split()[1:] == ["hf:Qwen/Qwen3-0.6B-GGUF:Q8_0", "0.6", "GB,", "Apache-2.0"]
    first = json.loads(penstock("models", "--presets", "--jsonl", env=here).stdout.splitlines()[0])
    assert set(first) == {"name", "target", "summary"}


def test_rm_asks_first_and_takes_no_for_an_answer(penstock, here):
    for said in ("n\n", "\n", ""):
        done = penstock("rm", "hf:some/tale-GGUF", env=here, say=said)
        assert done.returncode == 130
        assert "3.5 MB in " in done.stderr
        assert done.stderr.endswith("Delete it? [y/N] Nothing was deleted.\n")
    assert "hf:some/tale-GGUF/tale-Q8_0.gguf" in rows(penstock("models", env=here))


def test_rm_tells_programs_what_it_deleted(penstock, here):
    done = penstock("rm", "hf:some/tale-GGUF", "--yes", "--json", env=here)
    (record,) = json.loads(done.stdout)
    assert record["name"] == "hf:some/tale-GGUF/tale-Q8_0.gguf"
    assert record["size"] == penstock_pocket.path().stat().st_size


@pytest.mark.parametrize(("arguments", "said"), [((), "y\n"), (("--yes",), "")])
def test_rm_deletes_a_model_with_what_it_stands_for(penstock, here, tmp_path, arguments, said):
    done = penstock("rm", "hf:some/tale-GGUF:q8_0", *arguments, env=here, say=said)
    assert done.returncode == 0
    assert done.stdout == "deleted hf:some/tale-GGUF/tale-Q8_0.gguf (3.5 MB)\n"
    assert not (tmp_path / "hf/hub/models--some--tale-GGUF/blobs/abc").exists()
    assert "hf:some/tale-GGUF/tale-Q8_0.gguf" not in rows(penstock("models", env=here))


def test_rm_keeps_what_another_revision_has_too(penstock, here, tmp_path):
    repo = tmp_path / "hf/hub/models--some--tale-GGUF"
    other = repo / "snapshots" / ("f" * 40)
    other.mkdir()
    (other / "tale-Q8_0.gguf").symlink_to("../../blobs/abc")
    assert penstock("rm", "hf:some/tale-GGUF", "--yes", env=here).returncode == 0
    assert (repo / "blobs" / "abc").exists()
    assert f"hf:some/tale-GGUF/tale-Q8_0.gguf@{'f' * 40}" in rows(penstock("models", env=here))


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("hf:some/other", 4, "'hf:some/other' is not here. `penstock models` lists"),
        ("README.md", 2, "is no model of a source. Delete a file with `rm` itself"),
        ("pocket:", 2, "source 'pocket' does not remove what it finds, such as 'pocket:'"),
        ("ollama:odd", 2, "Remove it with the program that put it there"),
    ],
)
def test_what_cannot_be_deleted_is_told(penstock, here, name, status, said):
    done = penstock("rm", name, env=here)  # it is refused before anything is asked
    assert done.returncode == status
    assert said in done.stderr
