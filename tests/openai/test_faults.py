"""Every way in which servers go wrong, and the error or the patience that each deserves."""

from __future__ import annotations

from dataclasses import dataclass

import penstock
import pytest
from penstock import Deadlines, errors
from penstock_openai.testing import (
    Cut,
    FaultServer,
    Pause,
    Reply,
    Reset,
    Send,
    Stall,
    error,
    error_body,
    event,
    finish,
    json_reply,
    role,
    stream,
    text,
    text_reply,
    usage,
    whole_chat,
)

pytestmark = pytest.mark.anyio

HI = ({"role": "user", "content": "Hi"},)


def begun(*steps: object) -> Reply:
    """An answer that says "Hel", "lo", and goes on with these steps."""
    said = (Send(event(role())), Send(event(text("Hel"))), Send(event(text("lo"))))
    return Reply(steps=(*said, *steps))


def raw(data: bytes) -> Reply:
    """An event stream of just these bytes."""
    return Reply(steps=(Send(data),))


@dataclass(frozen=True)
class Case:
    """A fault: the reply, the error, and the text that came before it."""

    reply: Reply
    error: type[errors.PenstockError]
    partial: str = "Hello"
    retryable: bool = False
    words: str | None = None


FAULTS = {
    "the end without a reason": Case(
        begun(), errors.IncompleteStream, retryable=True, words="without saying"
    ),
    "the end in the middle of the body": Case(
        begun(Cut()), errors.IncompleteStream, retryable=True, words="hung up"
    ),
    "the end behind an event that lacks its blank line": Case(
        begun(Send(event(text("!")).rstrip(b"\n") + b"\n"), Pause(0.05), Cut()),
        errors.IncompleteStream, "Hello!", retryable=True,
    ),
    "the end in the middle of an event": Case(
        begun(Send(event(text("!"))[:-20]), Pause(0.05), Cut()),
        errors.IncompleteStream, retryable=True,
    ),
    "a reset": Case(begun(Pause(0.05), Reset()), errors.ConnectionFailed, retryable=True),
    "an error event": Case(
        begun(Send(b'event: error\ndata: {"message": "out of order"}\n\n')),
        errors.ServerFailed, retryable=True, words="out of order",
    ),
    "an error line": Case(
        begun(Send(b'error: {"code": 500, "message": "slot gone", "type": "server_error"}\n\n')),
        errors.ServerFailed, retryable=True, words="slot gone",
    ),
    "an error object": Case(
        begun(Send(event(error_body("no memory", "server_error")))),
        errors.ServerFailed, retryable=True, words="no memory",
    ),
    "an error object with a status for a code": Case(
        begun(Send(event({"error": {"message": "bad request", "code": 400}}))),
        errors.RequestRefused, words="bad request",
    ),
    "an older error object": Case(
        begun(Send(event({"object": "error", "message": "engine dead", "code": 50001}))),
        errors.ServerFailed, retryable=True, words="engine dead",
    ),
    "a limit in the stream": Case(
        begun(Send(event(error_body("slow down", "rate_limit_exceeded")))),
        errors.RateLimited, retryable=True,
    ),
    "a context that is full on the way": Case(
        begun(Send(event(error_body("too long", "context_length_exceeded")))),
        errors.ContextOverflow,
    ),
    "broken JSON": Case(
        begun(Send(b'data: {"choices": [{"delta": {"content": "x"\n\n')),
        errors.MalformedAnswer, words="not JSON",
    ),
    "a reason that is an error": Case(
        begun(Send(event(finish("abort")))), errors.ServerFailed, retryable=True, words="abort"
    ),
    "a web page": Case(
        text_reply("<html>Welcome to my proxy</html>", "text/html"),
        errors.MalformedAnswer, "", words="Welcome to my proxy",
    ),
    "text": Case(text_reply("ok", "text/plain"), errors.MalformedAnswer, "", words="'ok'"),
    "JSON without an answer": Case(json_reply({"ok": True}), errors.MalformedAnswer, ""),
    "JSON that is a list": Case(json_reply([1]), errors.MalformedAnswer, ""),
    "JSON that is cut": Case(
        Reply(headers=(("content-type", "application/json"),), steps=(Send(b'{"choices": ['),)),
        errors.MalformedAnswer, "",
    ),
    "an error with status 200": Case(
        json_reply(error_body("no such model", "model_not_found", "invalid_request_error")),
        errors.RequestRefused, "", words="no such model",
    ),
    "a stream of nothing": Case(stream(), errors.MalformedAnswer, "", words="no choice"),
    "text that is cut": Case(
        Reply(headers=(("content-type", "text/plain"),), steps=(Send(b"upstream "), Cut())),
        errors.IncompleteStream, "", retryable=True,
    ),
    "a stream without choices": Case(
        stream({"choices": []}, {"choices": None}, {"id": "x"}), errors.MalformedAnswer, ""
    ),
    "an empty body": Case(raw(b""), errors.IncompleteStream, "", retryable=True),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_is_an_error_with_the_text_so_far(case: Case, server, connect) -> None:
    server.queue(case.reply, case.reply)
    async with connect() as model:
        for read in (awaited, streamed):
            with pytest.raises(case.error, match=case.words) as caught:
                await read(model)
            assert type(caught.value) is case.error
            partial = caught.value.partial
            assert partial is not None
            assert (partial.text, partial.finish_reason) == (case.partial, "error")
            assert caught.value.retryable == case.retryable
        assert (await model.chat(HI)).text.startswith("Hi")
        assert await server.until(lambda: server.answering == 0)


async def awaited(model: penstock.Model) -> None:
    await model.chat(HI)


async def streamed(model: penstock.Model) -> None:
    async for _ in model.chat(HI):
        pass


STATUSES = {
    "401": (error(401, "who are you"), errors.AccessDenied, False, None),
    "403": (error(403, "not you"), errors.AccessDenied, False, None),
    "404": (error(404, "no such model", "model_not_found"), errors.RequestRefused, False, None),
    "408": (error(408, "too slow"), errors.ServerFailed, True, None),
    "409": (error(409, "locked"), errors.ServerFailed, True, None),
    "413": (error(413, "too large"), errors.RequestRefused, False, None),
    "422": (error(422, "what?"), errors.RequestRefused, False, None),
    "429": (error(429, "slow down"), errors.RateLimited, True, None),
    "429 in 3 s": (
        error(429, "slow down", headers=(("retry-after", "3"),)), errors.RateLimited, True, 3.0,
    ),
    "429 in 250 ms": (
        error(429, "slow", headers=(("retry-after-ms", "250"), ("retry-after", "1"))),
        errors.RateLimited, True, 0.25,
    ),
    "429 in the past": (
        error(429, "slow", headers=(("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT"),)),
        errors.RateLimited, True, 0.0,
    ),
    "429 at no time": (
        error(429, "slow", headers=(("retry-after", "tomorrow"),)), errors.RateLimited, True, None,
    ),
    "429 for money": (
        error(429, "pay first", "insufficient_quota"), errors.RateLimited, False, None,
    ),
    "500": (error(500, "oh no"), errors.ServerFailed, True, None),
    "500 for good": (
        error(500, "oh no", headers=(("x-should-retry", "false"),)),
        errors.ServerFailed, False, None,
    ),
    "501": (error(501, "not here"), errors.ServerFailed, False, None),
    "502 as a web page": (
        text_reply("<html>Bad gateway</html>", "text/html", 502), errors.ServerFailed, True, None,
    ),
    "503 in 2 s": (
        error(503, "loading", headers=(("retry-after", "2"),)), errors.ServerFailed, True, 2.0,
    ),
    "FastAPI's 422": (
        json_reply({"detail": [{"loc": ["body", "x"], "msg": "no"}]}, 422),
        errors.RequestRefused, False, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("reply", "kind", "retryable", "after"), STATUSES.values(), ids=STATUSES)
async def test_a_status_is_an_error(reply, kind, retryable, after, server, connect) -> None:
    server.queue(reply)
    async with connect() as model:
        with pytest.raises(kind) as caught:
            await model.chat(HI)
    found = caught.value
    assert type(found) is kind
    assert (found.status, found.retryable, found.retry_after) == (reply.status, retryable, after)
    assert found.__cause__ is not None


OVERFLOWS = {
    "openai": (
        error(400, "This model's maximum context length is 4097 tokens. However, your messages "
              "resulted in 5000 tokens.", "context_length_exceeded", param="messages"),
        5000, 4097,
    ),
    "vllm": (
        error(400, "This model's maximum context length is 4096 tokens. However, you requested "
              "5100 tokens (5000 in the messages, 100 in the completion).", 400, "BadRequestError"),
        5000, 4096,
    ),
    "llama-server": (
        json_reply({"error": {
            "code": 400, "message": "the request exceeds the available context size",
            "type": "exceed_context_size_error", "n_prompt_tokens": 900, "n_ctx": 512}}, 400),
        900, 512,
    ),
    "llama-cpp-python": (
        error(400, "This model's maximum context length is 512 tokens, however you requested 530 "
              "tokens (514 in your prompt; 16 for the completion).", "context_length_exceeded"),
        514, 512,
    ),
    "tgi": (
        error(422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. "
              "Given: 5000 `inputs` tokens and 20 `max_new_tokens`", type="validation"),
        5000, 4096,
    ),
    "no figures": (error(400, "prompt is too long", "context_length_exceeded"), None, None),
}  # fmt: skip


@pytest.mark.parametrize(("reply", "prompt", "context"), OVERFLOWS.values(), ids=OVERFLOWS)
async def test_a_full_context_is_told_in_every_wording(
    reply, prompt, context, server, connect
) -> None:
    server.queue(reply)
    async with connect() as model:
        with pytest.raises(errors.ContextOverflow) as caught:
            await model.chat(HI)
    assert (caught.value.prompt_tokens, caught.value.context_length) == (prompt, context)


ODDITIES = {
    "no final blank line": raw(
        event(text("Hel")) + event(text("lo")) + event(finish()).rstrip(b"\n")
    ),
    "no final line break at all": raw(event(text("Hello")) + event(finish()) + b"data: [DONE]"),
    "CRLF": raw((event(text("Hello")) + event(finish())).replace(b"\n", b"\r\n")),
    "CR": raw((event(text("Hello")) + event(finish())).replace(b"\n", b"\r")),
    "a byte order mark": raw(b"\xef\xbb\xbf" + event(text("Hello")) + event(finish())),
    "comments": raw(b": ping\n\n" + event(text("Hello")) + b":\n\n" + event(finish())),
    "JSON that is no object": stream(
        b"data: null\n\n", b'data: "ping"\n\n', text("Hello"), finish()
    ),
    "single line breaks": raw(
        (event(text("Hel")) + event(text("lo")) + event(finish())).replace(b"\n\n", b"\n") + b"\n"
    ),
    "no data: before JSON": raw(event(text("Hello"))[6:] + event(finish())[6:]),
    "[DONE] without a reason": stream(text("Hello")),
    "a reason without [DONE]": stream(text("Hello"), finish(), done=False),
    "a reset behind the reason": Reply(
        steps=(Send(event(text("Hello"))), Send(event(finish())), Pause(0.05), Reset())
    ),
    "choices that are null or empty": stream(
        {"choices": None}, {"choices": []}, role(), text("Hello"), {"choices": [{}]}, finish()
    ),
    "a delta that is null": stream(
        {"choices": [{"delta": None, "finish_reason": None}]}, text("Hello"), finish()
    ),
    "an empty reason": stream(
        {"choices": [{"delta": {"content": "Hello"}, "finish_reason": ""}]}, finish()
    ),
    "a reason nobody knows": stream(text("Hello"), finish("tired")),
    "a message in the stream": stream(
        {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
    ),
    "text as in a completion": stream({"choices": [{"text": "Hello", "finish_reason": "stop"}]}),
    "content in parts": stream(
        {"choices": [{"delta": {"content": [{"type": "text", "text": "Hello"}]}}]}, finish()
    ),
    "a whole answer though a stream was asked for": json_reply(whole_chat("Hello")),
    "events called text": Reply(
        headers=(("content-type", "text/plain; charset=utf-8"),),
        steps=(Send(event(text("Hello")) + event(finish())),),
    ),
    "events called JSON": Reply(
        headers=(("content-type", "application/json"),),
        steps=(Send(event(text("Hello")) + event(finish())),),
    ),
    "another content type": Reply(
        headers=(("content-type", "application/octet-stream"),),
        steps=(Send(event(text("Hello")) + event(finish())),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("reply", ODDITIES.values(), ids=ODDITIES)
async def test_an_oddity_is_no_fault(reply: Reply, server, connect) -> None:
    server.queue(reply)
    async with connect() as model:
        done = await model.chat(HI)
    assert (done.text, done.finish_reason, done.retries) == ("Hello", "stop", 0)


async def test_bad_utf8_is_replaced_and_the_stream_goes_on(server, connect) -> None:
    broken = event(text("A?B")).replace(b"?", b"\xff")
    server.queue(raw(broken + event(text("C")) + event(finish())))
    async with connect() as model:
        assert (await model.chat(HI)).text == "A\ufffdBC"


async def test_half_a_surrogate_pair_in_each_of_two_events_is_one_character(
    server, connect
) -> None:
    halves = (b'"\\ud83d"', b'"\\ude42"')
    events = (event(text("?")).replace(b'"?"', half) for half in halves)
    server.queue(raw(b"".join(events) + event(finish())))
    async with connect() as model:
        assert (await model.chat(HI)).text == "🙂"


async def test_an_answer_without_an_end_can_be_allowed(server, connect) -> None:
    server.queue(begun())
    async with connect(allow_incomplete=True) as model:
        assert (await model.chat(HI)).text == "Hello"


@pytest.mark.parametrize("deadline", ["idle", "total"])
async def test_a_stall_is_ended_by_a_deadline(deadline, server: FaultServer, connect) -> None:
    server.queue(begun(Stall()))
    async with connect(Deadlines(**{deadline: 0.2})) as model:
        with pytest.raises(errors.DeadlineExceeded) as caught:
            await model.chat(HI)
        assert caught.value.deadline == deadline
        assert caught.value.partial.text == "Hello"
        assert await server.until(lambda: server.disconnects == 1 and server.open == 0)


async def test_slow_headers_are_ended_by_a_deadline(server: FaultServer, connect) -> None:
    server.queue(Reply(before=30))
    async with connect(Deadlines(first_token=0.2)) as model:
        with pytest.raises(errors.DeadlineExceeded, match="first_token"):
            await model.chat(HI)
        assert await server.until(lambda: server.disconnects == 1)


async def test_silence_is_ended_by_the_read_timeout(server: FaultServer, connect) -> None:
    server.queue(begun(Stall()))
    async with connect(read_timeout=0.2) as model:
        with pytest.raises(errors.ConnectionFailed, match="silent for too long") as caught:
            await model.chat(HI)
        assert caught.value.partial.text == "Hello"


async def test_what_comes_behind_the_reason_is_not_waited_for_long(
    server: FaultServer, connect, monkeypatch
) -> None:
    monkeypatch.setattr("penstock_openai.exchange.SETTLE", 0.1)
    server.queue(begun(Send(event(finish())), Stall()))
    async with connect() as model:
        assert (await model.chat(HI)).text == "Hello"
        assert await server.until(lambda: server.disconnects == 1)


async def test_max_tokens_holds_where_the_server_forgets_it(server: FaultServer, connect) -> None:
    server.queue(stream(*(text(f"{number} ") for number in range(50)), pace=0.001))
    async with connect() as model:
        done = await model.chat(HI, max_tokens=7)
    assert (done.text, done.finish_reason) == ("0 1 2 3 4 5 6 ", "length")
    assert done.usage.completion_tokens == 7


async def test_a_delta_that_goes_over_the_limit_is_not_taken_apart(server, connect) -> None:
    each = usage(5, 9)["usage"]
    server.queue(json_reply(whole_chat("a b c d e", "length", (5, 9))))
    server.queue(stream(text("a b c d e") | {"usage": each}, text(" f"), finish()))
    async with connect() as model:
        for _ in range(2):
            done = await model.chat(HI, max_tokens=7)
            assert (done.text, done.finish_reason) == ("a b c d e", "length")


async def test_keep_alives_behind_the_reason_are_not_waited_for_long(
    server: FaultServer, connect, monkeypatch
) -> None:
    monkeypatch.setattr("penstock_openai.exchange.SETTLE", 0.1)
    pings = [step for _ in range(100) for step in (Send(b": ping\n\n"), Pause(0.05))]
    server.queue(begun(Send(event(finish())), *pings))
    async with connect() as model:
        done = await model.chat(HI)
    assert done.text == "Hello"
    assert done.timings.e2e < 2


async def test_nobody_listens(connect) -> None:
    async with connect(base_url="http://127.0.0.1:9/v1") as model:
        with pytest.raises(errors.ConnectionFailed, match="cannot be reached") as caught:
            await model.chat(HI)
    assert "base_url" in str(caught.value)
    assert caught.value.retryable


async def test_an_event_without_end_is_refused(server: FaultServer, connect, monkeypatch) -> None:
    monkeypatch.setattr("penstock_openai.sse.MOST_BYTES", 10_000)
    server.queue(Reply(steps=(Send(b"data: "), *[Send(b"x" * 5000)] * 5, Stall())))
    async with connect() as model:
        with pytest.raises(errors.MalformedAnswer, match="10000 bytes"):
            await model.chat(HI)
        assert await server.until(lambda: server.open == 0)
