"""Embeddings: alike for like texts, the same alone and together, and never of half a text."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import anyio
import numpy as np
import numpy.typing as npt
import penstock
import pytest
from penstock.backend import CancelFlag
from penstock.errors import ContextOverflow, ModelClosed, Unsupported, UsageError
from penstock.messages import Segment
from penstock.request import Request
from penstock_llamacpp.embedding import Embedder, EncoderEngine
from penstock_llamacpp.parameters import context_parameters, new_context
from penstock_llamacpp.weights import Weights

from .files import write_bert, write_lora

Opened = Callable[..., Weights]
Matrix = npt.NDArray[np.float32]

STORY = "Once upon a time there was a little cat who lived in a big house. "
TEXTS = ["The cat sat on the mat.", "A dog ran to the park.", "I like cake.", STORY]
CLOSE = 1e-5
"""Between numbers that are computed in another order."""


@pytest.fixture
def embedder(pocket: Path, opened: Opened) -> Iterator[Callable[..., Embedder]]:
    made: list[Embedder] = []

    def make(path: Path = pocket, **options: object) -> Embedder:
        weights = opened(path, **options)
        made.append(Embedder(weights, weights.options, 1))
        return made[-1]

    yield make
    for one in made:
        one.close()


def vectors(embedder: Embedder, texts: Sequence[str]) -> Matrix:
    return np.array(embedder.embed(embedder.tokens(texts)).vectors)


def reference(weights: Weights, ids: Sequence[int], pooling: int) -> Matrix:
    """Return what llama.cpp itself pools, at length 1."""
    library, structs = weights.library, weights.library.structs
    params = context_parameters(library, weights, weights.options, 1, 1024)
    params.n_batch = params.n_ubatch = 1024
    params.n_outputs_max = 0
    params.embeddings, params.pooling_type = True, pooling
    pointer, _facts = new_context(weights, params)
    tokens = (ctypes.c_int32 * len(ids))(*ids)
    assert library.decode(pointer, structs.llama_batch_get_one(tokens, len(ids))) == 0
    width = library.model_width_out(weights.pointer)
    row = structs.llama_get_embeddings_seq(pointer, 0)
    found = np.ctypeslib.as_array(row, (width,)).copy()
    library.context_free(pointer)
    return found / np.linalg.norm(found)


def test_vectors_are_of_length_one_and_differ_as_texts_do(embedder) -> None:
    found = vectors(embedder(), [*TEXTS, TEXTS[0]])
    assert found.shape == (5, 192)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    near = found @ found.T
    assert near[0, 4] == pytest.approx(1, abs=1e-5)
    for one in range(4):
        for other in range(one):
            assert near[one, other] < 0.99


def test_the_same_call_gives_the_same_numbers(embedder) -> None:
    made = embedder()
    assert (vectors(made, TEXTS) == vectors(made, TEXTS)).all()


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_a_text_has_its_vector_alone_and_among_others(embedder, pooling: str) -> None:
    made = embedder(pooling=pooling)
    together = vectors(made, TEXTS * 12)  # more than go into one call
    for at, text in enumerate(TEXTS):
        alone = vectors(made, [text])[0]
        for row in together[at :: len(TEXTS)]:
            assert np.abs(row - alone).max() < CLOSE


@pytest.mark.parametrize("words", [1, 40])
@pytest.mark.parametrize(("pooling", "number"), [("mean", 1), ("cls", 2), ("last", 3)])
def test_pooling_is_llamacpps(
    embedder, pooling: str, number: int, words: int, pocket: Path, opened: Opened
) -> None:
    """40 sentences take several calls here, and one there."""
    made = embedder(pooling=pooling)
    (ids,) = made.tokens([STORY * words])
    assert (len(ids) > 512) is (words > 1)
    expected = reference(opened(pocket, flash_attn=False), ids, number)
    found = np.array(made.embed([ids]).vectors[0])
    assert np.abs(found - expected).max() < CLOSE


def test_with_flash_attention_numbers_depend_on_the_company_a_little(embedder) -> None:
    made = embedder(flash_attn=True)
    together = vectors(made, TEXTS * 12)[: len(TEXTS)]
    alone = [vectors(made, [text])[0] for text in TEXTS]
    assert CLOSE < np.abs(together - np.array(alone)).max() < 0.02


def test_a_long_text_between_short_ones_changes_nothing(embedder) -> None:
    made = embedder(n_ctx=8192)  # beyond what it was trained with, which is only a matter of sense
    before = vectors(made, TEXTS)
    long = vectors(made, [TEXTS[0], STORY * 300, *TEXTS])
    assert len(made.tokens([STORY * 300])[0]) > 4096
    assert np.abs(long[2:] - before).max() < CLOSE
    assert np.abs(long[0] - before[0]).max() < CLOSE
    assert np.abs(vectors(made, TEXTS) - before).max() < CLOSE


def test_poolings_differ(embedder) -> None:
    found = [vectors(embedder(pooling=name), TEXTS[:1])[0] for name in ("mean", "cls", "last")]
    assert found[0] @ found[1] < 0.99
    assert found[0] @ found[2] < 0.99


def test_left_open_pooling_is_the_mean(embedder) -> None:
    assert (vectors(embedder(), TEXTS) == vectors(embedder(pooling="mean"), TEXTS)).all()


def test_usage_counts_every_token(embedder) -> None:
    made = embedder()
    ids = made.tokens(TEXTS)
    usage = made.embed(ids).usage
    assert usage.prompt_tokens == sum(map(len, ids)) > 40
    assert (usage.completion_tokens, usage.source) == (0, "engine")


def test_a_text_that_is_too_long_is_refused_and_never_cut(embedder) -> None:
    made = embedder(n_ctx=256)
    with pytest.raises(ContextOverflow) as caught:
        made.tokens([*TEXTS, STORY * 40])
    assert caught.value.context_length == 256
    assert caught.value.prompt_tokens > 512


def test_an_empty_text_has_a_vector_where_the_model_puts_a_token_before_it(embedder) -> None:
    assert vectors(embedder(), [""]).shape == (1, 192)


def test_a_text_without_tokens_is_refused(embedder, pocket: Path, tmp_path: Path) -> None:
    path = tmp_path / "bare.gguf"
    key = b"tokenizer.ggml.add_bos_token" + bytes([7, 0, 0, 0])
    path.write_bytes(pocket.read_bytes().replace(key + b"\1", key + b"\0"))
    with pytest.raises(UsageError, match="'' has no tokens"):
        embedder(path).tokens(["a", ""])


def test_no_texts_have_no_vectors(embedder) -> None:
    made = embedder()
    assert made.embed(made.tokens([])).vectors == ()


def test_quantised_keys_and_values_serve_too(embedder) -> None:
    coarse = vectors(embedder(type_k="q8_0", type_v="q8_0"), TEXTS)
    fine = vectors(embedder(), TEXTS)
    assert (np.einsum("ij,ij->i", coarse, fine) > 0.99).all()


def test_an_adapter_changes_embeddings(embedder, pocket: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    a, b = draw.normal(0, 0.2, (2, 192)), draw.normal(0, 0.2, (192, 2))
    parts = {"blk.3.attn_output.weight": (a.astype(np.float32), b.astype(np.float32))}
    lora = write_lora(tmp_path / "lora.gguf", parts, alpha=4.0)
    changed, usual = vectors(embedder(lora=str(lora)), TEXTS), vectors(embedder(), TEXTS)
    assert np.abs(changed - usual).max() > 0.01


def test_the_work_is_done_in_pieces_of_one_evaluation(embedder) -> None:
    made = embedder()
    ids = made.tokens([*TEXTS, STORY * 40])
    turns: list[bool] = []

    def turn(work: Callable[[], bool]) -> bool:
        turns.append(work())
        return turns[-1]

    found = np.array(made.embed(ids, turn).vectors)
    assert turns == [True] * (len(turns) - 1) + [False]
    assert len(turns) == 1 + -(-len(ids[-1]) // 512) + 1
    assert (found == np.array(made.embed(ids).vectors)).all()


def test_closed_between_two_pieces_it_ends(embedder) -> None:
    made = embedder()

    def turn(work: Callable[[], bool]) -> bool:
        more = work()
        made.close()
        return more

    with pytest.raises(ModelClosed, match="while it embedded"):
        made.embed(made.tokens([STORY * 40]), turn)
    with pytest.raises(ModelClosed, match="while it embedded"):
        made.embed(made.tokens(TEXTS * 12), turn)


def test_threads_wait_for_each_other(embedder) -> None:
    made = embedder()
    expected = {text: vectors(made, [text])[0] for text in TEXTS}
    found: list[tuple[str, Matrix]] = []

    def work(text: str) -> None:
        for _ in range(20):
            found.append((text, vectors(made, [text, STORY * 12])[0]))

    threads = [threading.Thread(target=work, args=(text,)) for text in TEXTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    for text, vector in found:
        assert np.abs(vector - expected[text]).max() < CLOSE


# the engine that also generates


def test_an_engine_embeds(trained) -> None:
    assert trained.info.capabilities.embed
    found = trained.embed(TEXTS)
    assert [len(vector) for vector in found.vectors] == [192] * 4
    with pytest.raises(ContextOverflow):
        trained.embed([STORY * 100])


def test_embedding_leaves_generation_as_it_was(trained, ask) -> None:
    options = {"temperature": 0, "max_tokens": 12}
    before = ask(trained, "Once upon a time", **options).ids
    trained.embed(TEXTS)
    assert ask(trained, "Once upon a time", **options).ids == before


def test_a_closed_engine_does_not_embed(fresh, pocket: Path) -> None:
    engine = fresh(pocket)
    engine.embed(TEXTS[:1])
    engine.close()
    with pytest.raises(ModelClosed):
        engine.embed(TEXTS[:1])


@pytest.mark.anyio
async def test_a_model_embeds_while_it_generates(pocket: Path) -> None:
    texts: list[str] = []
    async with penstock.load(f"llamacpp:{pocket}") as model:
        alone = await model.embed(TEXTS)
        together = []

        async def tell() -> None:
            texts.append((await model.complete("Once upon a time", max_tokens=60, seed=1)).text)

        async def embed() -> None:
            together.append(await model.embed(TEXTS))

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(tell)
                group.start_soon(embed)
    assert all(texts)
    if model.info.device == "cpu":  # a GPU evaluates a row in another way among others
        assert texts == texts[:1] * 3
    for found in together:
        assert np.abs(np.array(found.vectors) - np.array(alone.vectors)).max() < CLOSE


# a model that only embeds


@pytest.fixture
def encoder(fresh, tmp_path: Path) -> EncoderEngine:
    engine = fresh(write_bert(tmp_path / "bert.gguf"))
    assert isinstance(engine, EncoderEngine)
    return engine


def test_an_encoder_embeds_and_does_nothing_else(encoder: EncoderEngine) -> None:
    assert encoder.info.capabilities.embed
    assert not encoder.info.capabilities.options
    found = np.array(encoder.embed(["a cat", "a dog", "a cat"]).vectors)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.abs(found[0] - found[2]).max() < CLOSE
    assert found[0] @ found[1] < 0.9999
    with pytest.raises(Unsupported, match=r"'encoder' only embeds texts\. Use model\.embed"):
        encoder.generate(Request(prompt=(Segment("a"),)), CancelFlag())


def test_an_encoder_sees_a_text_as_a_whole(encoder: EncoderEngine) -> None:
    """With the tokens around it that it was trained with."""
    ids = encoder.tokenize("ab")
    assert (ids[0], ids[-1], len(ids)) == (2, 3, 4)
    one, other = encoder.embed(["ab", "ba"]).vectors
    assert np.abs(np.array(one) - np.array(other)).max() > 1e-4


def test_an_encoder_pools_as_llamacpp_does(tmp_path: Path, opened: Opened, embedder) -> None:
    for number, name in ((1, "mean"), (2, "cls"), (3, "last")):
        path = write_bert(tmp_path / f"{name}.gguf", pooling=number)
        made = embedder(path)
        (ids,) = made.tokens(["hello world"])
        found = np.array(made.embed([ids]).vectors[0])
        expected = reference(opened(path, flash_attn=False), ids, number)
        assert np.abs(found - expected).max() < CLOSE


def test_an_encoder_refuses_what_is_longer_than_its_positions(encoder: EncoderEngine) -> None:
    with pytest.raises(ContextOverflow, match="64"):
        encoder.embed(["abc " * 40])
    assert len(encoder.embed(["ab " * 10] * 50).vectors) == 50


def test_an_encoder_takes_a_long_text_in_one_piece(tmp_path: Path, embedder) -> None:
    made = embedder(write_bert(tmp_path / "long.gguf", context=2048))
    long = "ab " * 900
    assert len(made.tokens([long])[0]) > 1500
    first = vectors(made, [long, "ab"])
    assert np.linalg.norm(first, axis=1) == pytest.approx(1, abs=1e-5)
    assert (vectors(made, [long, "ab"]) == first).all()


@pytest.mark.anyio
async def test_a_model_that_only_embeds_can_be_loaded(tmp_path: Path) -> None:
    async with penstock.load(f"llamacpp:{write_bert(tmp_path / 'bert.gguf')}") as model:
        assert len((await model.embed(["ab"])).vectors[0]) == 32
        with pytest.raises(Unsupported):
            await model.complete("ab")
        with pytest.raises(UsageError, match="Give a list of texts"):
            await model.embed("ab")
