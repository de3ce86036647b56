"""What lies between here and the server: TLS, proxies, compression, redirects."""

from __future__ import annotations

import gzip
import ssl

import penstock
import pytest
import trustme
from penstock import errors
from penstock_openai.backend import OpenAI
from penstock_openai.testing import (
    FaultServer,
    Received,
    Reply,
    Send,
    event,
    finish,
    json_reply,
    stream,
    text,
)

pytestmark = pytest.mark.anyio

HI = ({"role": "user", "content": "Hi"},)
GOOD = stream(text("Hello"), finish())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path) -> str:
    """The file of the authority that the server's certificate is from."""
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


@pytest.fixture
def encrypted(authority: trustme.CA):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with FaultServer(tls=tls) as server:
        yield server


async def test_an_authority_of_ones_own_is_trusted(encrypted, trusted, connect) -> None:
    encrypted.queue(GOOD)
    async with connect(base_url=encrypted.url, ca_file=trusted) as model:
        assert (await model.chat(HI)).text == "Hello"
    assert encrypted.url.startswith("https:")


async def test_nobody_else_is(encrypted, connect) -> None:
    async with connect(base_url=encrypted.url) as model:
        with pytest.raises(errors.ConnectionFailed, match="(?i)certificate"):
            await model.chat(HI)
    assert encrypted.received == []


async def test_leaving_an_encrypted_answer_frees_the_server(encrypted, trusted, connect) -> None:
    encrypted.queue(stream(*[text("a")] * 500, finish(), pace=0.01))
    async with connect(base_url=encrypted.url, ca_file=trusted) as model:
        async for _ in model.chat(HI):
            break
        assert await encrypted.until(lambda: encrypted.disconnects == 1)


async def test_a_file_of_certificates_that_is_not_there(connect) -> None:
    with pytest.raises(errors.UsageError, match="ca_file"):
        async with connect(ca_file="/nowhere/ca.pem"):
            pass


async def test_a_proxy_is_asked(server: FaultServer, connect) -> None:
    server.answer = lambda received: GOOD
    async with connect(base_url="http://models.test/v1", proxy=server.url[:-3]) as model:
        assert (await model.chat(HI)).text == "Hello"
    assert server.received[0].path == "http://models.test/v1/chat/completions"


async def test_no_proxy_of_the_environment_is_asked_for_this_machine(
    server: FaultServer, connect, monkeypatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.queue(GOOD)
    async with connect() as model:
        assert (await model.chat(HI)).text == "Hello"


async def test_a_proxy_of_the_environment_is_asked_for_others(
    server: FaultServer, connect, monkeypatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url[:-3])
    monkeypatch.setenv("http_proxy", server.url[:-3])
    server.answer = lambda received: GOOD
    async with connect(base_url="http://models.test/v1") as model:
        assert (await model.chat(HI)).text == "Hello"
    assert server.received[0].path.startswith("http://models.test/")


async def test_a_compressed_answer_is_read(server: FaultServer, connect) -> None:
    data = gzip.compress(event(text("Hello")) + event(finish()))
    headers = (("content-type", "text/event-stream"), ("content-encoding", "gzip"))
    server.queue(Reply(headers=headers, steps=(Send(data[:20]), Send(data[20:]))))
    async with connect() as model:
        assert (await model.chat(HI)).text == "Hello"


async def test_a_compression_that_is_none_is_told(server: FaultServer, connect) -> None:
    headers = (("content-type", "text/event-stream"), ("content-encoding", "gzip"))
    server.queue(Reply(headers=headers, steps=(Send(b"this is not gzip"),)))
    async with connect() as model:
        with pytest.raises(errors.MalformedAnswer, match="compression"):
            await model.chat(HI)


async def test_a_compression_nobody_knows_is_told(server: FaultServer, connect) -> None:
    headers = (("content-type", "text/event-stream"), ("content-encoding", "br"))
    server.queue(Reply(headers=headers, steps=(Send(b"x"),)))
    async with connect() as model:
        with pytest.raises(errors.MalformedAnswer, match="'br'"):
            await model.chat(HI)
    assert server.received[0].headers["accept-encoding"] == "identity"


async def test_a_redirect_is_followed(server: FaultServer, connect) -> None:
    def answer(received: Received) -> Reply:
        if received.path.startswith("/old/"):
            place = (("location", received.path.replace("/old/", "/v1/")),)
            return Reply(308, place, length=True)
        return GOOD

    server.answer = answer
    async with connect(base_url=server.url.replace("/v1", "/old")) as model:
        assert (await model.chat(HI)).text == "Hello"


async def test_the_models_of_a_server_are_listed(server: FaultServer) -> None:
    rows = [{"id": "a", "owned_by": "vllm", "max_model_len": 99}, {"id": "b"}]
    server.answer = lambda received: json_reply({"data": rows})
    found = await OpenAI().models({"base_url": server.url})
    assert [(one.id, one.owner, one.context_length) for one in found] == [
        ("a", "vllm", 99),
        ("b", "", None),
    ]


def test_the_doctor_tells_what_there_is(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-1234567")
    found = {finding.subject: finding.found for finding in OpenAI().diagnose()}
    assert found["openai"].split(".")[0] == "3"
    assert found["server of the environment"] == "https://api.openai.com/v1, a key"


def test_targets_may_hold_colons() -> None:
    registry = penstock.Registry.installed()
    target = registry.parse("openai:meta-llama/Llama-3:free")
    assert (target.backend, target.rest) == ("openai", "meta-llama/Llama-3:free")
