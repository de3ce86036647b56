"""Attempts after a failure: only before the first delta, in time, and counted."""

from __future__ import annotations

import time

import anyio
import pytest
from penstock import Completion, Deadlines, errors
from penstock_openai.testing import (
    FaultServer,
    Received,
    Reply,
    Reset,
    Send,
    error,
    event,
    finish,
    role,
    stream,
    text,
)

pytestmark = pytest.mark.anyio

HI = ({"role": "user", "content": "Hi"},)
GOOD = stream(role(), text("Hello"), finish())
AT_ONCE = (("retry-after-ms", "1"),)
BUSY = error(503, "busy", headers=AT_ONCE)


@pytest.mark.parametrize(
    "fault",
    [
        BUSY,
        error(429, "slow down", headers=AT_ONCE),
        error(408, "too slow", headers=AT_ONCE),
        error(409, "locked", headers=AT_ONCE),
    ],
    ids=lambda reply: str(reply.status),
)
async def test_what_may_pass_is_tried_again_and_counted(fault, server, connect) -> None:
    server.queue(fault, fault, GOOD)
    async with connect(retries=2) as model:
        done = await model.chat(HI)
    assert (done.text, done.retries) == ("Hello", 2)
    assert len(server.received) == 3
    assert server.received[0].body == server.received[2].body


@pytest.mark.parametrize(
    "fault",
    [
        Reply(steps=(Reset(),)),
        Reply(steps=(Send(event(role())), Reset())),
        Reply(steps=(Send(event(role())),)),
        stream({"error": {"message": "starting", "code": "server_error"}}),
    ],
    ids=["reset", "reset after the role", "no end", "error event"],
)
async def test_a_stream_that_fails_before_its_first_delta_is_tried_again(
    fault, server: FaultServer, connect, monkeypatch
) -> None:
    monkeypatch.setattr("penstock_openai.engine.FIRST_WAIT", 0.01)
    server.queue(fault, GOOD)
    async with connect(retries=1) as model:
        done = await model.chat(HI)
    assert (done.text, done.retries) == ("Hello", 1)


async def test_after_the_first_delta_nothing_is_tried_again(server, connect) -> None:
    server.queue(Reply(steps=(Send(event(text("Hel"))),)), GOOD)
    async with connect(retries=5) as model:
        with pytest.raises(errors.IncompleteStream) as caught:
            await model.chat(HI)
    assert caught.value.partial.text == "Hel"
    assert len(server.received) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 501])
async def test_what_will_not_pass_is_not_tried_again(status, server, connect) -> None:
    server.queue(error(status, "no"), GOOD)
    async with connect(retries=5) as model:
        with pytest.raises(errors.RemoteError):
            await model.chat(HI)
    assert len(server.received) == 1


async def test_the_last_failure_is_raised_with_the_count(server, connect) -> None:
    server.queue(*[BUSY] * 3)
    async with connect(retries=2) as model:
        with pytest.raises(errors.ServerFailed, match="busy") as caught:
            await model.chat(HI)
    assert caught.value.partial.retries == 2
    assert len(server.received) == 3


async def test_it_waits_as_long_as_the_server_says(server, connect) -> None:
    server.queue(error(429, "wait", headers=(("retry-after", "0.3"),)), GOOD)
    async with connect(retries=1) as model:
        began = time.perf_counter()
        await model.chat(HI)
    assert time.perf_counter() - began >= 0.3


@pytest.mark.parametrize("soon", ["0", "-5", "Wed, 21 Oct 2015 07:28:00 GMT"])
async def test_a_server_that_wants_no_pause_is_not_asked_without_end(
    soon, server: FaultServer, connect
) -> None:
    server.queue(*[error(503, "busy", headers=(("retry-after", soon),))] * 3, GOOD)
    async with connect(retries=2) as model:
        with pytest.raises(errors.ServerFailed, match="busy") as caught:
            await model.chat(HI)
    assert caught.value.partial.retries == 2
    assert len(server.received) == 3


async def test_a_server_that_wants_too_much_time_is_left_at_once(server, connect) -> None:
    server.queue(error(429, "wait", headers=(("retry-after", "3600"),)), GOOD)
    async with connect(retries=1) as model:
        with pytest.raises(errors.RateLimited) as caught:
            await model.chat(HI)
    assert caught.value.retry_after == 3600.0
    assert len(server.received) == 1


async def test_retries_end_with_the_deadline(server, connect) -> None:
    server.queue(error(503, "busy", headers=(("retry-after", "30"),)), GOOD)
    async with connect(Deadlines(first_token=0.2), retries=5) as model:
        began = time.perf_counter()
        with pytest.raises(errors.DeadlineExceeded):
            await model.chat(HI)
    assert time.perf_counter() - began < 5
    assert len(server.received) == 1


async def test_waits_double_and_differ(monkeypatch) -> None:
    from penstock_openai.engine import FIRST_WAIT, LONGEST_WAIT, _wait

    for failures in range(8):
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2**failures)
        waits = [_wait(failures) for _ in range(50)]
        assert all(longest * 0.75 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 1


class TestLearning:
    """A server's refusal is learned from once, and remembered."""

    async def test_the_name_of_the_limit(self, server: FaultServer, connect) -> None:
        refusal = error(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "unsupported_parameter",
            param="max_tokens",
        )
        server.queue(refusal, GOOD, GOOD)
        async with connect() as model:
            first = await model.chat(HI, max_tokens=5)
            second = await model.chat(HI, max_tokens=6)
        bodies = [received.body for received in server.received]
        assert [body.get("max_tokens") for body in bodies] == [5, None, None]
        assert [body.get("max_completion_tokens") for body in bodies] == [None, 5, 6]
        assert (first.retries, second.retries) == (1, 0)

    async def test_by_one_call_for_all_that_are_under_way(
        self, server: FaultServer, connect
    ) -> None:
        def answer(received: Received) -> Reply:
            if "max_tokens" in received.body:
                return error(400, "Use 'max_completion_tokens' instead of 'max_tokens'.")
            return error(400, "no stream_options") if "stream_options" in received.body else GOOD

        async def ask() -> None:
            done.append(await model.chat(HI, max_tokens=5))

        done: list[Completion] = []
        server.answer = answer
        async with connect() as model, anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(ask)
        assert [one.text for one in done] == ["Hello"] * 8
        assert all(one.retries <= 2 for one in done)

    async def test_the_name_of_the_limit_the_other_way(self, server, connect) -> None:
        refusal = error(422, "max_completion_tokens: extra fields not permitted")
        server.queue(refusal, GOOD)
        async with connect(flavor="openai") as model:
            await model.chat(HI, max_tokens=5)
        assert server.received[1].body["max_tokens"] == 5

    async def test_both_names_refused_is_an_error(self, server, connect) -> None:
        server.queue(
            error(400, "max_tokens is wrong"), error(400, "max_completion_tokens is wrong")
        )
        async with connect() as model:
            with pytest.raises(errors.RequestRefused, match="max_completion_tokens is wrong"):
                await model.chat(HI, max_tokens=5)

    async def test_no_stream_options(self, server, connect) -> None:
        server.queue(error(400, "Unrecognized request argument: stream_options"), GOOD, GOOD)
        async with connect() as model:
            assert (await model.chat(HI)).text == "Hello"
            await model.chat(HI)
        asked = ["stream_options" in received.body for received in server.received]
        assert asked == [True, False, False]

    async def test_who_says_what_to_do(self, server, connect) -> None:
        refusal = error(
            400,
            "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
            "unsupported_value",
            param="messages[0].role",
        )
        server.queue(refusal, GOOD, GOOD)
        talk = ({"role": "system", "content": "Be brief."}, *HI)
        async with connect() as model:
            await model.chat(talk)
            await model.chat(talk)
        roles = [received.body["messages"][0]["role"] for received in server.received]
        assert roles == ["system", "developer", "developer"]

    async def test_an_option_it_does_not_know_is_refused_from_then_on(
        self, server, connect
    ) -> None:
        refusal = error(
            400, "'temperature' is not supported", "unsupported_parameter", param="temperature"
        )
        server.queue(refusal, GOOD)
        async with connect() as model:
            with pytest.raises(errors.Unsupported, match="temperature"):
                await model.chat(HI, temperature=0.5)
            assert "temperature" not in model.info.capabilities.options
            with pytest.raises(errors.Unsupported, match="temperature"):
                model.chat(HI, temperature=0.5)
            done = await model.chat(HI, temperature=0.5, unsupported="drop")
        assert done.text == "Hello"
        assert any("temperature" in warning for warning in done.warnings)
        assert done.effective.temperature is None
