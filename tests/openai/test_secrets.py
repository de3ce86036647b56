"""A key goes to its server, and nowhere else: not into a repr, a log, an error or a trace."""

from __future__ import annotations

import base64
import logging
import pickle
import traceback
from collections.abc import Iterator

import penstock
import pytest
from penstock import ModelSpec, errors
from penstock.secret import Secret
from penstock_openai.options import LoadOptions
from penstock_openai.testing import (
    FaultServer,
    Received,
    Reply,
    error,
    json_reply,
    stream,
    text_reply,
)

CANARY = "sk-canary-0123456789abcdef"
HI = ({"role": "user", "content": "Hi"},)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def spoken(error: BaseException) -> str:
    """All that a person or a log may see of an error and of what is behind it."""
    parts = ["".join(traceback.format_exception(error))]
    for one in chain(error):
        parts += [repr(one), str(one), repr(vars(one)), repr(one.args)]
    return "\n".join(parts)


ECHOES = {
    "401": error(401, f"Incorrect API key provided: {CANARY}", "invalid_api_key"),
    "400": error(400, f"bad header Authorization: Bearer {CANARY}"),
    "500": error(500, f"crash with {CANARY}"),
    "a page": text_reply(f"<html>{CANARY}</html>", "text/html", 502),
    "a page with 200": text_reply(f"<html>{CANARY}</html>", "text/html"),
    "an event": stream({"error": {"message": f"no {CANARY}"}}),
    "an error with 200": json_reply({"error": {"message": f"no {CANARY}"}}),
    "broken JSON": stream(f"data: {{{CANARY}\n\n".encode()),
}


@pytest.mark.anyio
@pytest.mark.parametrize("reply", ECHOES.values(), ids=ECHOES)
async def test_no_error_tells_it_though_the_server_does(
    reply, server: FaultServer, connect, caplog
) -> None:
    caplog.set_level(logging.DEBUG)
    server.queue(reply)
    async with connect(api_key=CANARY) as model:
        with pytest.raises(errors.RemoteError) as caught:
            await model.chat(HI)
        assert CANARY not in spoken(caught.value)
        assert CANARY not in repr(model.info)
        assert CANARY not in repr(vars(model.engine))
    assert CANARY in server.received[0].headers["authorization"]  # it was really there
    assert CANARY not in caplog.text
    assert CANARY not in "".join(map(str, (record.__dict__ for record in caplog.records)))


@pytest.mark.anyio
async def test_no_transport_error_tells_it(connect, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    async with connect(api_key=CANARY, base_url="http://127.0.0.1:9/v1") as model:
        with pytest.raises(errors.ConnectionFailed) as caught:
            await model.chat(HI)
    assert CANARY not in spoken(caught.value) + caplog.text


@pytest.mark.anyio
async def test_a_load_that_fails_does_not_tell_it(server: FaultServer, connect) -> None:
    server.answer = lambda received: error(401, f"wrong key {CANARY}")
    with pytest.raises(errors.LoadError) as caught:
        async with connect(api_key=CANARY, flavor="auto"):
            pass
    assert CANARY not in spoken(caught.value)
    assert "api_key" in str(caught.value)


@pytest.mark.parametrize("wrong", [{"retries": -1}, {"flavour": "vllm"}, {"flavor": 3}])
def test_wrong_options_do_not_tell_it(wrong) -> None:
    with pytest.raises(errors.UsageError) as caught:
        LoadOptions.of({"api_key": CANARY, **wrong})
    assert CANARY not in spoken(caught.value)


def test_a_key_of_a_wrong_type_is_not_told() -> None:
    number = 123_456_789
    with pytest.raises(errors.UsageError) as caught:
        LoadOptions.of({"api_key": number})
    assert str(number) not in spoken(caught.value)


def test_values_that_hold_it_print_without_it() -> None:
    options = {"api_key": CANARY}
    holders = (
        LoadOptions.of(options), ModelSpec(source="x", options=options),
        penstock.load("openai:x", options=options), Secret(CANARY),
    )  # fmt: skip
    for holder in holders:
        assert CANARY not in f"{holder} {holder!r}"


def test_a_secret_cannot_be_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(CANARY))


class TestWhoGetsIt:
    """The environment's key is OpenAI's, or its own server's."""

    @pytest.fixture(autouse=True)
    def key(self, monkeypatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)

    def test_openai(self) -> None:
        assert LoadOptions.of({}).api_key == Secret(CANARY)

    def test_the_server_of_the_environment(self, monkeypatch) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
        options = LoadOptions.of({})
        assert (options.url, options.api_key) == ("http://127.0.0.1:1/v1", Secret(CANARY))

    def test_nobody_else(self) -> None:
        assert LoadOptions.of({"base_url": "http://127.0.0.1:1/v1"}).api_key is None

    @pytest.mark.anyio
    async def test_nobody_else_on_the_wire(self, server: FaultServer, connect, monkeypatch) -> None:
        monkeypatch.setenv("OPENAI_ORG_ID", "org-canary")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-canary")
        async with connect(flavor="auto") as model:
            await model.chat(HI, max_tokens=2)
        sent = "".join(str(received.headers) for received in server.received)
        assert "canary" not in sent
        assert "authorization" not in server.received[0].headers


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["Authorization", "authorization"])
async def test_a_login_of_the_users_own_opens_where_there_is_no_key(
    name, server: FaultServer, connect
) -> None:
    async with connect(headers=[f"{name}: Basic dTpw"]) as model:
        await model.chat(HI, max_tokens=2)
    assert {received.headers["authorization"] for received in server.received} == {"Basic dTpw"}


@pytest.mark.anyio
async def test_a_login_in_the_url_opens_and_is_told_nowhere(
    server: FaultServer, connect, caplog
) -> None:
    url = server.url.replace("//", f"//me:{CANARY}@") + "?api-version=1"
    token = base64.b64encode(f"me:{CANARY}".encode()).decode()
    caplog.set_level("DEBUG", "penstock_openai")
    async with connect(base_url=url) as model:
        await model.chat(HI, max_tokens=2)
        server.queue(error(401, f"who is {token}"))
        with pytest.raises(errors.AccessDenied) as caught:
            await model.chat(HI)
    assert {got.headers["authorization"] for got in server.received} == {f"Basic {token}"}
    assert {got.query for got in server.received} == {"api-version=1"}
    told = f"{spoken(caught.value)} {caplog.text} {model.info}"
    assert CANARY not in told
    assert token not in told


def test_two_logins_are_refused_and_that_of_the_environment_gives_way(monkeypatch) -> None:
    login = ["authorization: Basic dTpw"]
    with pytest.raises(errors.UsageError, match="two logins") as caught:
        LoadOptions.of({"headers": login, "api_key": CANARY})
    assert CANARY not in spoken(caught.value)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    assert LoadOptions.of({"headers": login}).api_key is None
    both = LoadOptions.of({"headers": login, "auth_header": "api-key"})
    assert both.api_key == Secret(CANARY)


@pytest.mark.anyio
@pytest.mark.parametrize("header", ["Authorization", "api-key"])
async def test_a_redirect_takes_it_to_its_own_server_only(
    header, server: FaultServer, connect
) -> None:
    with FaultServer() as other:

        def answer(received: Received) -> Reply | None:
            here = server.url if received.path.startswith("/old/") else other.url
            place = (("location", f"{here}/chat/completions"),)
            return Reply(307, place, length=True)

        server.answer = answer
        old = server.url.replace("/v1", "/old")
        async with connect(api_key=CANARY, auth_header=header, base_url=old) as model:
            assert (await model.chat(HI, max_tokens=2)).text
    first, second = server.received
    assert CANARY in first.headers[header.lower()]
    assert CANARY in second.headers[header.lower()]
    assert CANARY not in str(other.received[0].headers)


@pytest.mark.anyio
async def test_headers_go_where_they_are_wanted(server: FaultServer, connect) -> None:
    options = {
        "api_key": CANARY,
        "auth_header": "api-key",
        "organization": "org-1",
        "project": "proj-1",
        "headers": ["X-Title: my tests", "X-Other: a:b"],
        "query": ["api-version=preview"],
    }
    async with connect(**options) as model:
        await model.chat(HI, max_tokens=2)
    received = server.received[0]
    assert received.headers["api-key"] == CANARY
    assert "authorization" not in received.headers
    assert received.headers["openai-organization"] == "org-1"
    assert received.headers["openai-project"] == "proj-1"
    assert received.headers["x-title"] == "my tests"
    assert received.headers["x-other"] == "a:b"
    assert "api-version=preview" in received.query
