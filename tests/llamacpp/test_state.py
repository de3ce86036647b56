"""What was evaluated can be saved, and another process need not evaluate it again."""

from __future__ import annotations

from array import array
from pathlib import Path

import penstock
import pytest
from penstock import sync
from penstock.errors import LoadError, ModelNotFound, Unsupported, UsageError
from penstock.testing import EchoEngine, hosted

STORY = "One day a king lost his crown. " * 12
MESSAGES = [
    {"role": "user", "content": "My name is Ada. I live in Paris and I like green apples."},
    {"role": "assistant", "content": "Hello, Ada!"},
    {"role": "user", "content": "What is my name?"},
]


def load(path: Path, **options: object) -> sync.Loading:
    return penstock.sync.load(f"llamacpp:{path}", options=options)


def test_a_saved_prompt_is_not_evaluated_again(pocket: Path, tmp_path: Path) -> None:
    file = tmp_path / "story.state"
    with load(pocket) as model:
        first = model.complete(STORY, max_tokens=20, temperature=0).result()
        assert first.usage.cached_tokens == 0
        assert model.save_state(file, STORY) >= first.usage.prompt_tokens
    with load(pocket) as model:
        assert model.load_state(file) >= first.usage.prompt_tokens
        again = model.complete(STORY, max_tokens=20, temperature=0).result()
    assert again.usage.cached_tokens == first.usage.prompt_tokens - 1
    assert again.text == first.text


def test_a_conversation_goes_on_where_it_was(pocket: Path, tmp_path: Path) -> None:
    file = tmp_path / "chat.state"
    with load(pocket) as model:
        first = model.chat(MESSAGES, temperature=0).result()
        model.save_state(file, MESSAGES)
        history = [*MESSAGES, {"role": "assistant", "content": first.text}]
        asked = [*history, {"role": "user", "content": "Where do I live?"}]
        wanted = model.chat(asked, temperature=0).result()
    with load(pocket) as model:
        model.load_state(file)
        found = model.chat(asked, temperature=0).result()
    assert found.text == wanted.text
    assert found.usage.cached_tokens >= first.usage.prompt_tokens


def test_what_is_not_there_cannot_be_saved(pocket: Path, tmp_path: Path) -> None:
    with load(pocket) as model, pytest.raises(UsageError, match="nothing evaluated"):
        model.save_state(tmp_path / "x", "Nobody asked this.")
    with load(pocket, reuse_prefix=False) as model:
        model.complete(STORY, max_tokens=1).result()
        with pytest.raises(UsageError, match="reuse_prefix"):
            model.save_state(tmp_path / "x", STORY)
    assert list(tmp_path.iterdir()) == []


def test_what_others_asked_is_not_saved(pocket: Path, tmp_path: Path) -> None:
    """Texts begin alike, with BOS at least: of the one that was asked for, only that is saved."""
    file = tmp_path / "x"
    secret = "The key lies under the stone in the garden of the old king."
    with load(pocket) as model:
        model.complete(secret, max_tokens=1).result()
        with pytest.raises(UsageError, match="nothing evaluated"):
            model.save_state(file, "The moon is round.")
        model.complete(STORY + secret, max_tokens=1).result()
        held = model.save_state(file, STORY + "Nobody found it.")
        told = array("i", model.tokenize(secret)[-8:]).tobytes()
        assert told not in file.read_bytes()
        assert held <= len(model.tokenize(STORY)) + 1
        assert model.save_state(file, STORY + secret) > held
        assert told in file.read_bytes()
    with load(pocket) as model:
        assert model.load_state(file) > held


@pytest.mark.parametrize("rest", ["", "Nobody found it."])
def test_what_two_texts_share_is_found_again(pocket: Path, tmp_path: Path, rest: str) -> None:
    with load(pocket) as model:
        model.complete(STORY + "A cat did.", max_tokens=1).result()
        wanted = model.complete(STORY + rest, max_tokens=9, temperature=0).result()
    with load(pocket) as model:
        model.complete(STORY + "A cat did.", max_tokens=1).result()
        held = model.save_state(tmp_path / "x", STORY + "Ben, too.")
    with load(pocket) as model:
        model.load_state(tmp_path / "x")
        found = model.complete(STORY + rest, max_tokens=9, temperature=0).result()
    assert found.usage.cached_tokens >= held - 2
    assert found.text == wanted.text


def test_a_place_that_cannot_be_written_is_named(pocket: Path, tmp_path: Path) -> None:
    with load(pocket) as model:
        model.complete(STORY, max_tokens=1).result()
        with pytest.raises(UsageError, match=r"missing/x' cannot be written: No such file"):
            model.save_state(tmp_path / "missing" / "x", STORY)
        (tmp_path / "folder").mkdir()
        with pytest.raises(UsageError, match="cannot be written"):
            model.save_state(tmp_path / "folder", STORY)
        with pytest.raises(LoadError, match="cannot be read"):
            model.load_state(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.fixture
def saved(pocket: Path, tmp_path: Path) -> Path:
    file = tmp_path / "story.state"
    with load(pocket) as model:
        model.complete(STORY, max_tokens=1).result()
        model.save_state(file, STORY)
    return file


def test_a_damaged_file_is_refused(pocket: Path, saved: Path) -> None:
    whole = saved.read_bytes()
    with load(pocket) as model:
        for damaged in (b"", whole[:100], whole[:-1], whole[:500] + b"x" + whole[501:]):
            saved.write_bytes(damaged)
            with pytest.raises(LoadError, match="damaged"):
                model.load_state(saved)
        with pytest.raises(ModelNotFound):
            model.load_state(saved.with_name("missing"))


def test_a_file_of_another_model_is_refused(pocket: Path, tiny: Path, saved: Path) -> None:
    with load(tiny) as model, pytest.raises(LoadError, match="was saved with"):
        model.load_state(saved)
    with load(pocket, type_k="q8_0") as model, pytest.raises(LoadError, match="type_k"):
        model.load_state(saved)


def test_a_state_needs_room(pocket: Path, saved: Path) -> None:
    with load(pocket, cache_bytes=0) as model, pytest.raises(UsageError, match="cache_bytes"):
        model.load_state(saved)


@pytest.mark.anyio
async def test_other_engines_say_that_they_cannot(tmp_path: Path) -> None:
    async with hosted(EchoEngine()) as model:
        with pytest.raises(Unsupported, match="cannot save"):
            await model.save_state(tmp_path / "x", "Hello")
        with pytest.raises(Unsupported, match="cannot take up"):
            await model.load_state(tmp_path / "x")


@pytest.mark.parametrize("fault", ["gone", "cut off"])
def test_a_chat_does_without_a_state_that_is_gone_or_damaged(
    pocket: Path, tmp_path: Path, fault: str
) -> None:
    path = tmp_path / "chat.json"
    with load(pocket) as model:
        chat = model.session()
        chat.send(MESSAGES[0]["content"], temperature=0).result()
        assert chat.save(path, state=True).tokens > 0
        wanted = chat.send("What is my name?", temperature=0).result()
        state = tmp_path / "chat.json.state"
        if fault == "gone":
            state.unlink()
        else:
            state.write_bytes(state.read_bytes()[:100])
        again = model.load_session(path)
        assert again.state is not None
        assert again.state.tokens == 0
        assert "chat.json.state" in again.state.reason
        assert again.send("What is my name?", temperature=0).result().text == wanted.text
