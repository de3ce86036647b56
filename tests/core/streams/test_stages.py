"""Stages over a generation, in a task and in a thread."""

from __future__ import annotations

from time import perf_counter

import anyio
import pytest
from penstock.errors import EngineError, StreamClosed, UsageError
from penstock.events import Delta, Token
from penstock.streams import Stage
from penstock.testing import EchoEngine, EchoThreadEngine, Fail, Pause, Stall

pytestmark = pytest.mark.anyio
BROKEN = Fail(RuntimeError("broken"))


def texts(deltas):
    return [delta.text for delta in deltas]


# take


async def test_take_gives_so_many_deltas_and_stops_the_engine(counting, items_of, flavour, stopped):
    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        assert texts(await items_of(gen.take(3))) == ["0 ", "1 ", "2 "]
        assert gen.completion.finish_reason == "stopped"
        await stopped(gen, made)


async def test_take_of_more_than_there_is_gives_all(saying, items_of):
    async with saying("a", "b") as model:
        gen = model.complete("")
        assert texts(await items_of(gen.take(9))) == ["a", "b"]
        assert gen.completion.finish_reason == "stop"


async def test_take_of_none_never_starts_the_engine(counting, items_of):
    made = []
    async with counting(made) as model:
        gen = model.complete("")
        assert await items_of(gen.take(0)) == []
        assert (gen.completion.finish_reason, made) == ("stopped", [])


async def test_take_of_less_than_none_is_refused(saying):
    async with saying("a") as model:
        gen = model.complete("")
        with pytest.raises(UsageError, match="-1"):
            gen.take(-1)
        await gen


# tap


async def test_tap_shows_every_delta(saying, items_of):
    seen = []
    async with saying("a", "b") as model:
        shown = await items_of(model.complete("").tap(seen.append))
    assert shown == seen
    assert texts(seen) == ["a", "b"]


async def test_tap_stops_the_engine_when_it_returns_false(counting, items_of, flavour, stopped):
    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        assert texts(await items_of(gen.tap(lambda delta: delta.text != "2 "))) == [
            "0 ",
            "1 ",
            "2 ",
        ]
        assert (gen.completion.finish_reason, gen.text) == ("stopped", "0 1 2 ")
        await stopped(gen, made)


@pytest.mark.parametrize("answer", [None, 0, "", []])
async def test_tap_goes_on_unless_it_returns_false_itself(saying, items_of, answer):
    async with saying("a", "b") as model:
        assert texts(await items_of(model.complete("").tap(lambda delta: answer))) == ["a", "b"]


async def test_an_error_in_a_callback_comes_out_as_it_is_and_stops_the_engine(
    counting, items_of, flavour, stopped
):
    made = []

    def fail(delta):
        raise KeyError(delta.text)

    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        with pytest.raises(KeyError, match="0") as caught:
            await items_of(gen.tap(fail))
        # the traceback is still alive here, and what it holds must not keep the engine running
        assert caught.value.__traceback__ is not None
        await stopped(gen, made)
        assert gen.completion.finish_reason == "stopped"


async def test_a_callback_may_stop_the_generation_itself(counting, items_of, stopped):
    made = []
    async with counting(made) as model:
        gen = model.complete("")
        assert texts(await items_of(gen.tap(lambda delta: gen.stop()))) == ["0 "]
        await stopped(gen, made)


# until


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (["a THE END b"], "a "),
        (["a TH", "E E", "ND b"], "a "),
        ([*"a THE END b"], "a "),
        (["THE THE END"], "THE "),
        (["a THE EN", "D"], "a "),
        (["THE END"], ""),
        (["a THE EN"], "a THE EN"),
        (["a", "b"], "ab"),
    ],
)
async def test_until_gives_the_text_before_the_string_however_it_is_cut(
    saying, items_of, steps, text
):
    async with saying(*steps) as model:
        assert "".join(texts(await items_of(model.complete("").until("THE END")))) == text


async def test_until_stops_the_engine(counting, items_of, flavour, stopped):
    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        assert "".join(texts(await items_of(gen.until("5 6")))) == "0 1 2 3 4 "
        assert gen.completion.finish_reason == "stopped"
        assert gen.text.startswith("0 1 2 3 4 5 6")
        await stopped(gen, made)


async def test_until_keeps_the_string_where_asked(saying, items_of):
    async with saying("a TH", "E END b") as model:
        stream = model.complete("").until("THE END", include=True)
        assert "".join(texts(await items_of(stream))) == "a THE END"


async def test_until_takes_the_earliest_of_several(saying, items_of):
    async with saying(*"one two three") as model:
        stream = model.complete("").until("three", "two", "tw")
        assert "".join(texts(await items_of(stream))) == "one "


async def test_until_gives_what_it_held_the_tokens_it_stands_for(saying):
    steps = [Token(1, b"a"), Token(2, b"T"), Token(3, b"H"), Token(4, b"x")]
    async with saying(*steps) as model:
        assert [d.ids async for d in model.complete("").until("THE")] == [(1,), (2, 3, 4)]


@pytest.mark.parametrize("stops", [(), ("",), ("a", "")])
async def test_until_nothing_is_refused(saying, stops):
    async with saying("a") as model:
        gen = model.complete("")
        with pytest.raises(UsageError):
            gen.until(*stops)
        await gen


# words, sentences, paragraphs


async def test_words_come_with_the_space_behind_them(saying, items_of):
    async with saying("On", "ce upon", "  a ", "time") as model:
        assert await items_of(model.complete("").words()) == ["Once ", "upon  ", "a ", "time"]


async def test_sentences_keep_numbers_whole(saying, items_of):
    async with saying("It is 3.", "14. ", "Yes", "!") as model:
        assert await items_of(model.complete("").sentences()) == ["It is 3.14. ", "Yes!"]


async def test_paragraphs_come_with_the_empty_line(saying, items_of):
    async with saying("a\nb\n", "\nc") as model:
        assert await items_of(model.complete("").paragraphs()) == ["a\nb\n\n", "c"]


async def test_a_word_is_there_before_the_engine_goes_on(saying):
    async with saying("one ", "t", Stall()) as model:
        with anyio.fail_after(2):
            async for word in model.complete("").words():
                assert word == "one "
                break


# buffered


async def test_buffered_gathers_tokens(saying, items_of):
    async with saying(*"abcdefg") as model:
        got = await items_of(model.complete("").buffered(tokens=3))
    assert [(delta.text, delta.tokens) for delta in got] == [("abc", 3), ("def", 3), ("g", 1)]


async def test_buffered_gathers_characters(saying, items_of):
    async with saying("ab", "cd", "e") as model:
        assert texts(await items_of(model.complete("").buffered(chars=3))) == ["abcd", "e"]


async def test_buffered_passes_on_what_it_has_though_nothing_arrives(saying):
    async with saying("a", "b", Stall()) as model:
        start = perf_counter()
        async for delta in model.complete("").buffered(seconds=0.05):
            assert delta.text == "ab"
            assert 0.03 < perf_counter() - start < 1
            break


async def test_buffered_passes_on_by_time_in_a_thread_too(saying, in_thread):
    def first(stream):
        return next(iter(stream)).text

    async with saying("a", "b", Stall()) as model:
        assert await in_thread(first, model.complete("").buffered(seconds=0.05)) == "ab"


async def test_buffered_passes_on_by_time_below_another_stage(saying):
    async with saying("a b", Stall()) as model:
        with anyio.fail_after(2):
            async for word in model.complete("").buffered(seconds=0.05, tokens=100).words():
                assert word == "a "
                break


async def test_buffered_takes_whichever_limit_comes_first(saying, items_of):
    steps = ["a", "b", "c", Pause(0.15), "d"]
    async with saying(*steps) as model:
        got = texts(await items_of(model.complete("").buffered(tokens=2, seconds=0.05)))
    assert got == ["ab", "c", "d"]


@pytest.mark.parametrize(
    "limits", [{}, {"tokens": 0}, {"seconds": -1.0}, {"chars": 2, "tokens": 0}]
)
async def test_buffered_needs_a_limit_above_nothing(saying, limits):
    async with saying("a") as model:
        gen = model.complete("")
        with pytest.raises(UsageError):
            gen.buffered(**limits)
        await gen


# progress


async def test_progress_is_told_each_so_many_tokens_and_at_the_end(saying, items_of):
    told = []
    async with saying(*"abcdefg") as model:
        got = await items_of(model.complete("").progress(told.append, tokens=3))
    assert texts(got) == [*"abcdefg"]
    assert [progress.tokens for progress in told] == [3, 6, 7]


async def test_progress_does_not_tell_the_end_twice(saying, items_of):
    told = []
    async with saying(*"abcd") as model:
        await items_of(model.complete("").progress(told.append, tokens=2))
    assert [progress.tokens for progress in told] == [2, 4]


async def test_progress_tells_the_rate_since_the_first_token_and_the_time_to_it(saying, items_of):
    told = []
    steps = [Pause(0.05), "a", Pause(0.05), "b", Pause(0.05), "c"]
    async with saying(*steps) as model:
        await items_of(model.complete("").progress(told.append, tokens=3))
    (progress,) = told
    assert 0.04 < progress.ttft < 0.5
    assert 2 < progress.tokens_per_second < 25


async def test_progress_of_an_empty_answer_is_not_told(saying, items_of):
    told = []
    async with saying() as model:
        assert await items_of(model.complete("").progress(told.append)) == []
    assert told == []


async def test_progress_is_told_when_the_generation_fails(saying, items_of):
    told = []
    async with saying("a", BROKEN) as model:
        with pytest.raises(EngineError):
            await items_of(model.complete("").progress(told.append))
    assert [progress.tokens for progress in told] == [1]


async def test_progress_each_nothing_is_refused(saying):
    async with saying("a") as model:
        gen = model.complete("")
        with pytest.raises(UsageError):
            gen.progress(print, tokens=0)
        await gen


# a stage of your own


class Shouting(Stage[Delta, str]):
    """Upper case, with a farewell."""

    def feed(self, item):
        yield item.text.upper()

    def flush(self):
        return ("BYE",)


@pytest.mark.parametrize("wrong", [Shouting, str, None])
async def test_what_is_no_stage_is_refused_and_the_stream_can_be_read_all_the_same(
    saying, items_of, wrong
):
    async with saying("a", "b") as model:
        for stream in (model.complete(""), model.complete("").words()):
            with pytest.raises(UsageError, match=r"is no penstock\.Stage.*use tap\(\)"):
                stream.through(wrong)
            assert len(await items_of(stream)) in (1, 2)


async def test_a_stage_of_your_own_goes_through_through(saying, items_of):
    async with saying("a", "b") as model:
        assert await items_of(model.complete("").through(Shouting())) == ["A", "B", "BYE"]


async def test_a_stage_may_end_the_stream(counting, items_of, stopped):
    class Once(Stage[Delta, str]):
        def feed(self, item):
            self.done = True
            return (item.text, "more")

    made = []
    async with counting(made) as model:
        gen = model.complete("")
        assert await items_of(gen.through(Once())) == ["0 ", "more"]
        await stopped(gen, made)


async def test_a_stage_may_stand_in_for_an_error(saying, items_of):
    class Calm(Shouting):
        def absorb(self, error):
            return (f"<{type(error).__name__}>",)

    async with saying("a", BROKEN) as model:
        assert await items_of(model.complete("").through(Calm())) == ["A", "BYE", "<EngineError>"]


@pytest.mark.parametrize("where", ["feed", "flush"])
async def test_an_error_in_a_stage_stops_the_engine(counting, saying, items_of, stopped, where):
    class Faulty(Stage[Delta, Delta]):
        def feed(self, item):
            if where == "feed":
                raise ZeroDivisionError
            self.done = True
            return ()

        def flush(self):
            raise ZeroDivisionError

    made = []
    async with counting(made) as model:
        gen = model.complete("")
        with pytest.raises(ZeroDivisionError):
            await items_of(gen.through(Faulty()))
        await stopped(gen, made)


# chains


async def test_stages_chain(saying, items_of):
    async with saying(*"one two THE END three") as model:
        stream = model.complete("").until("THE END").buffered(tokens=5)
        assert texts(await items_of(stream)) == ["one t", "wo "]


async def test_items_of_a_stage_can_be_taken_and_tapped(counting, items_of, stopped):
    made, seen = [], []
    async with counting(made) as model:
        gen = model.complete("")
        assert await items_of(gen.words().tap(seen.append).take(2)) == ["0 ", "1 "]
        assert seen == ["0 ", "1 "]
        await stopped(gen, made)


async def test_leaving_the_end_of_a_long_chain_stops_the_engine(counting, flavour, stopped):
    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        async for _ in gen.until("never").progress(lambda p: None).buffered(tokens=2).words():
            break
        assert gen.completion.finish_reason == "stopped"
        await stopped(gen, made)


async def test_leaving_a_chain_in_a_thread_stops_the_engine(counting, flavour, in_thread, stopped):
    def read(stream):
        for _ in stream:
            break

    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        await in_thread(read, gen.tap(lambda delta: None).buffered(tokens=2))
        await stopped(gen, made)


async def test_closing_a_chain_waits_until_the_engine_is_free(counting, flavour):
    made = []
    async with counting(made, flavour=flavour) as model:
        async with model.complete("").until("never").buffered(tokens=3) as stream:
            async for _ in stream:
                break
        assert model.running == 0


async def test_what_the_stages_held_comes_out_before_an_error(saying, items_of):
    async with saying("one. t", "wo", BROKEN) as model:
        got = []
        with pytest.raises(EngineError) as caught:
            await items_of(model.complete("").buffered(tokens=9).sentences().tap(got.append))
    assert got == ["one. ", "two"]
    assert caught.value.partial.text == "one. two"


async def test_an_error_is_raised_once_behind_a_stage(saying):
    async with saying("a", BROKEN) as model:
        reader = aiter(model.complete("").tap(lambda delta: None))
        assert (await anext(reader)).text == "a"
        with pytest.raises(EngineError):
            await anext(reader)
        with pytest.raises(StopAsyncIteration):
            await anext(reader)


async def test_a_stream_has_one_stage_behind_it(saying):
    async with saying("a") as model:
        gen = model.complete("")
        words = gen.words()
        with pytest.raises(StreamClosed):
            gen.sentences()
        assert await words.collect() == ["a"]


async def test_a_stream_with_a_stage_behind_it_cannot_be_read_itself(saying):
    async with saying("a") as model:
        gen = model.complete("")
        words = gen.words()
        with pytest.raises(StreamClosed):
            aiter(gen)
        await words.collect()


async def test_a_generation_can_be_awaited_behind_its_stages(saying):
    async with saying(*"abc") as model:
        gen = model.complete("")
        async for _ in gen.words():
            continue
        assert (await gen).text == "abc"


# collect, read


async def test_collect_gives_all_items(saying):
    async with saying("a b", " c") as model:
        assert await model.complete("").words().collect() == ["a ", "b ", "c"]


async def test_read_gives_the_text(saying):
    async with saying("a b", " c") as model:
        assert await model.complete("").until("c").read() == "a b "


@pytest.mark.parametrize("engine", [EchoEngine, EchoThreadEngine])
async def test_a_cancelled_read_stops_the_engine(counting, engine, stopped):
    made = []
    async with counting(made, flavour=engine, pause=0.001) as model:
        gen = model.complete("")
        with anyio.move_on_after(0.05):
            await gen.words().collect()
        assert gen.completion.finish_reason == "cancelled"
        await stopped(gen, made)
