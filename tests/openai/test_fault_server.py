"""The fault server: honest by default, wrong in every way when told to, gone without a trace."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from penstock_openai.testing import (
    Cut,
    FaultServer,
    Honest,
    Pause,
    Reply,
    Reset,
    Send,
    Stall,
    completion_text,
    error,
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

CHAT = "/v1/chat/completions"
AT_ONCE = 0.25  # seconds; it is some microseconds, where the machine does nothing else
ENDLESS = Reply(steps=(Send(b"data: 1\n\n"), Stall()))


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(Honest(pace=0.0)) as server:
        yield server


def connected(server: FaultServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)


def ask(
    server: FaultServer, path: str = CHAT, body: Any = None, method: str = "POST"
) -> tuple[int, bytes, http.client.HTTPMessage]:
    client = connected(server)
    try:
        client.request(method, path, json.dumps(body or {}), {"Content-Type": "application/json"})
        answer = client.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        client.close()


def asked(server: FaultServer, path: str, **body: Any) -> Any:
    status, data, _ = ask(server, path, body)
    assert status == 200, data
    return json.loads(data)


def events(data: bytes) -> list[Any]:
    *found, rest = data.decode().split("\n\n")
    assert rest == ""
    assert all(one.startswith("data: ") for one in found)
    bodies = [one.removeprefix("data: ") for one in found]
    return [body if body == "[DONE]" else json.loads(body) for body in bodies]


def said(text: str, by: str = "user") -> dict[str, str]:
    return {"role": by, "content": text}


def content(chunks: list[Any]) -> str:
    return "".join(
        choice["delta"].get("content", "")
        for chunk in chunks
        if chunk != "[DONE]"
        for choice in chunk["choices"]
    )


def raw_client(server: FaultServer, path: str = CHAT) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    client.sendall(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}" % path.encode())
    return client


def read_until(client: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        more = client.recv(65536)
        assert more, f"the server closed after {data!r}"
        data += more
    return data


def read_all(client: socket.socket) -> bytes:
    data = b""
    while more := client.recv(65536):
        data += more
    return data


# the honest server


def test_a_streamed_chat_has_every_part_in_order(server: FaultServer) -> None:
    body = {
        "model": "some",
        "messages": [said("be kind", "system"), said("hello there")],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    status, data, headers = ask(server, CHAT, body)
    first, *middle, end, counts, done = events(data)
    assert status == 200
    assert headers["content-type"] == "text/event-stream"
    assert headers["transfer-encoding"] == "chunked"
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert content(middle).startswith("hello there hello there")
    assert "kind" not in content(middle)
    assert end["choices"][0] == {
        "index": 0,
        "delta": {},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert counts["choices"] == []
    assert counts["usage"]["completion_tokens"] == len(middle) >= 40
    assert counts["usage"]["prompt_tokens"] == 2 + 3
    assert {chunk["model"] for chunk in (first, *middle, end, counts)} == {"some"}
    assert done == "[DONE]"


def test_a_whole_chat_says_the_same_as_a_streamed_one(server: FaultServer) -> None:
    messages = [said("one two"), said("one two", "assistant"), said("three")]
    _, data, _ = ask(server, CHAT, {"messages": messages, "stream": True})
    whole = asked(server, CHAT, messages=messages)
    assert whole["object"] == "chat.completion"
    assert whole["choices"][0]["message"] == {
        "role": "assistant",
        "content": content(events(data)),
    }
    assert whole["choices"][0]["message"]["content"].startswith("one two three one two")
    assert whole["usage"]["total_tokens"] == 2 + 2 + 2 + whole["usage"]["completion_tokens"]


def test_usage_is_streamed_only_when_asked_for(server: FaultServer) -> None:
    _, data, _ = ask(server, CHAT, {"messages": [said("hi")], "stream": True})
    assert not any("usage" in chunk for chunk in events(data))


def test_a_completion_streams_and_stops_at_its_bound(server: FaultServer) -> None:
    body = {"prompt": "abcdefgh", "stream": True, "max_tokens": 3}
    _, data, _ = ask(server, "/v1/completions", body)
    *chunks, done = events(data)
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["abcd", "efgh", " abc", ""]
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert done == "[DONE]"


def test_tokens_never_cut_a_character(server: FaultServer) -> None:
    body = {"prompt": "aé€𝄞𝄞bcd", "stream": True, "max_tokens": 5}
    _, data, _ = ask(server, "/v1/completions", body)
    assert [chunk["choices"][0]["text"] for chunk in events(data)[:5]] == [
        "aé",
        "€",
        "𝄞",
        "𝄞",
        "bcd",
    ]


def test_a_temperature_shuffles_by_the_seed(server: FaultServer) -> None:
    def answer(**more: Any) -> str:
        body = asked(server, "/v1/completions", prompt="a b c d e f g h", **more)
        return str(body["choices"][0]["text"])

    hot = answer(temperature=1.0, seed=7)
    assert hot == answer(temperature=1.0, seed=7) != answer(temperature=1.0, seed=8)
    assert sorted(hot[:15]) == sorted("a b c d e f g h") != list(hot[:15])
    assert answer().startswith("a b c d e f g h a b")
    assert answer() == answer(temperature=0)


def test_a_stop_ends_the_answer_before_it(server: FaultServer) -> None:
    whole = asked(server, "/v1/completions", prompt="one two three", stop=["three", "wo"])
    assert whole["choices"][0]["text"] == "one t"
    assert whole["choices"][0]["finish_reason"] == "stop"


def test_an_endless_answer_fills_the_context() -> None:
    with FaultServer(Honest(context_length=100, pace=0.0)) as server:
        whole = asked(server, "/v1/completions", prompt="words", ignore_eos=True)
    assert whole["usage"] == {"prompt_tokens": 2, "completion_tokens": 98, "total_tokens": 100}
    assert whole["choices"][0]["finish_reason"] == "length"


def test_an_endless_answer_has_an_end_all_the_same() -> None:
    with FaultServer(Honest(context_length=100_000, pace=0.0)) as server:
        whole = asked(server, "/v1/completions", prompt="words", ignore_eos=True)
    assert whole["usage"]["completion_tokens"] == 3000


def test_a_prompt_over_the_context_is_refused() -> None:
    with FaultServer(Honest(context_length=10)) as server:
        status, data, _ = ask(server, CHAT, {"messages": [said("x" * 50)]})
    refusal = json.loads(data)["error"]
    assert status == 400
    assert refusal["code"] == "context_length_exceeded"
    assert "maximum context length is 10 tokens" in refusal["message"]
    assert "13 tokens" in refusal["message"]


def test_it_fails_in_the_midst_of_a_stream_when_asked_to(server: FaultServer) -> None:
    _, data, _ = ask(server, CHAT, {"messages": [said("please fail now")], "stream": True})
    *chunks, last = events(data)
    assert len(chunks) == 1 + 10
    assert last["error"]["code"] == "server_error"
    status, data, _ = ask(server, CHAT, {"messages": [said("please fail now")]})
    assert (status, json.loads(data)["error"]["code"]) == (500, "server_error")


def test_models_tokens_and_vectors(server: FaultServer) -> None:
    status, data, _ = ask(server, "/v1/models", method="GET")
    listed = json.loads(data)["data"][0]
    assert (status, listed["id"], listed["max_model_len"]) == (200, "echo", 512)
    assert listed["owned_by"] == "penstock"

    known = asked(server, "/tokenize", content="\0grüße")
    assert known["count"] == len(known["tokens"]) == 3
    assert asked(server, "/detokenize", tokens=known["tokens"])["content"] == "\0grüße"
    assert asked(server, "/tokenize", prompt="abcd")["tokens"] == [0x0161626364]

    vectors = asked(server, "/v1/embeddings", input=["a", "b", "a"])
    a, b, again = [one["embedding"] for one in vectors["data"]]
    assert a == again != b
    assert sum(number * number for number in a) == pytest.approx(1.0)
    assert vectors["usage"]["prompt_tokens"] == 3


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (CHAT, [], 400),
        (CHAT, {"messages": []}, 400),
        (CHAT, {"messages": [said("x")], "max_tokens": "many"}, 400),
        ("/v1/completions", {"prompt": ["one", "two"]}, 400),
        ("/detokenize", {"tokens": [-1]}, 400),
        ("/tokenize", {"text": "?"}, 400),
        ("/v1/nothing", {}, 404),
    ],
)
def test_what_it_cannot_read_is_refused(
    server: FaultServer, path: str, body: Any, status: int
) -> None:
    got, data, _ = ask(server, path, body)
    assert got == status
    assert json.loads(data)["error"]["type"] == "invalid_request_error"


# requests and connections


def test_requests_are_recorded_and_the_connection_is_kept(server: FaultServer) -> None:
    client = connected(server)
    for at in range(3):
        client.request(
            "POST", f"/v1/chat/completions?n={at}", json.dumps({"at": at}), {"X-Key": "k"}
        )
        assert client.getresponse().read()
    assert server.connections == server.open == 1
    assert [one.query for one in server.received] == ["n=0", "n=1", "n=2"]
    assert [one.body for one in server.received] == [{"at": at} for at in range(3)]
    last = server.received[-1]
    assert (last.method, last.path, last.raw) == ("POST", CHAT, b'{"at": 2}')
    assert last.headers["x-key"] == "k"
    client.close()
    assert server.wait_for(lambda: server.open == 0)
    assert server.disconnects == 0


def test_a_kept_connection_carries_streams_and_wholes(server: FaultServer) -> None:
    client = connected(server)
    for streamed in (True, False, True):
        client.request("POST", CHAT, json.dumps({"messages": [said("a")], "stream": streamed}))
        assert (b"[DONE]" in client.getresponse().read()) is streamed
    assert server.connections == 1
    client.close()


def test_requests_sent_ahead_are_answered_in_order(server: FaultServer) -> None:
    server.queue(text_reply("first", "text/plain"), text_reply("last", "text/plain"))
    with raw_client(server) as client:
        client.sendall(
            b"POST /v1/completions HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        data = read_all(client)
    assert data.index(b"first") < data.index(b"last")
    assert server.connections == 1


def test_close_is_honoured(server: FaultServer) -> None:
    client = connected(server)
    client.request("GET", "/v1/models", headers={"Connection": "close"})
    answer = client.getresponse()
    assert answer.headers["connection"] == "close"
    assert answer.read()
    assert server.wait_for(lambda: server.open == 0)
    assert server.disconnects == 0
    client.close()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", b"400"),
        (b"x" * 70000, b"400"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
    ],
)
def test_bad_requests_are_refused(server: FaultServer, data: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(data)
        assert read_all(client).startswith(b"HTTP/1.1 " + status)
    assert server.received == []
    assert server.wait_for(lambda: server.open == 0)


def test_a_request_may_come_in_pieces(server: FaultServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        for piece in (
            b"GET /v1/mod",
            b"els HTTP/1.1\r\n",
            b"content-length: 2\r\n\r",
            b"\n{",
            b"}",
        ):
            client.sendall(piece)
            time.sleep(0.005)
        assert client.recv(15) == b"HTTP/1.1 200 OK"
    assert server.received[0].body == {}


# what it is told to say


def test_queued_replies_come_first_and_only_for_text(server: FaultServer) -> None:
    server.answer = lambda received: json_reply({"path": received.path})
    busy = error(429, "slow down", "rate_limit", headers=(("retry-after", "3"),))
    server.queue(busy, json_reply(whole_chat("hi")))
    assert json.loads(ask(server, "/v1/models", method="GET")[1]) == {"path": "/v1/models"}
    status, data, headers = ask(server)
    assert (status, headers["retry-after"]) == (429, "3")
    assert json.loads(data)["error"]["code"] == "rate_limit"
    assert asked(server, "/v1/completions")["choices"][0]["message"]["content"] == "hi"
    assert asked(server, CHAT) == {"path": CHAT}


def test_chunks_have_the_shapes_of_the_dialect() -> None:
    opened, piece = role()["choices"], text("a", reasoning_content="b", logprobs={"content": []})
    assert opened[0]["delta"]["role"] == "assistant"  # type: ignore[index]
    assert piece["choices"] == [
        {
            "index": 0,
            "delta": {"content": "a", "reasoning_content": "b"},
            "logprobs": {"content": []},
            "finish_reason": None,
        }
    ]
    assert finish("length")["choices"][0]["finish_reason"] == "length"  # type: ignore[index]
    assert usage(1, 2, cost=3)["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "cost": 3,
    }
    assert completion_text("x", "stop")["object"] == "text_completion"


def test_a_stream_may_hold_anything_and_lack_its_end(server: FaultServer) -> None:
    server.queue(stream(text("a"), b": a comment\n\ndata: {broken\n\n", done=False))
    _, data, _ = ask(server)
    assert data == event(text("a")) + b": a comment\n\ndata: {broken\n\n"


def test_each_send_is_a_chunk_of_its_own(server: FaultServer) -> None:
    server.queue(Reply(steps=(Send(b"one"), Send(b""), Send(b"three"))))
    with raw_client(server) as client:
        data = read_until(client, b"0\r\n\r\n")
    assert data.endswith(b"\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n")


def test_small_chunks_do_not_wait_for_one_another(server: FaultServer) -> None:
    with raw_client(server) as client:
        read_until(client, b"}")
        (connection,) = server._connected
        ours = connection._transport.get_extra_info("socket")
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_reply_may_frame_itself_wrongly(server: FaultServer) -> None:
    server.queue(Reply(headers=(("Content-Length", "100"),), steps=(Send(b"short"),)))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(server)
    assert caught.value.partial == b"short"


def test_a_slow_head_and_a_pause_take_their_time(server: FaultServer) -> None:
    server.queue(Reply(before=0.15, steps=(Send(b"a"), Pause(0.15), Send(b"b"))))
    begin = time.perf_counter()
    with raw_client(server) as client:
        read_until(client, b"\r\n1\r\na\r\n")
        first = time.perf_counter() - begin
        read_until(client, b"1\r\nb\r\n0\r\n\r\n")
        last = time.perf_counter() - begin
    assert 0.14 < first < last - 0.1


def test_a_paced_stream_pauses_between_its_events() -> None:
    reply = stream(b"a", b"b", pace=0.5)
    assert reply.steps == (
        Send(b"a"),
        Pause(0.5),
        Send(b"b"),
        Pause(0.5),
        Send(b"data: [DONE]\n\n"),
    )


def test_a_cut_ends_the_connection_without_the_last_chunk(server: FaultServer) -> None:
    server.queue(Reply(steps=(Send(b"half"), Cut(), Send(b"never"))))
    with raw_client(server) as client:
        data = read_all(client)
    assert data.endswith(b"4\r\nhalf\r\n")
    assert server.wait_for(lambda: server.open == 0)
    assert server.disconnects == server.answering == 0


def test_a_reset_is_an_error_at_the_client(server: FaultServer) -> None:
    server.queue(Reply(steps=(Send(b"half"), Reset())))
    with raw_client(server) as client, pytest.raises(ConnectionResetError):
        read_all(client)
    assert server.wait_for(lambda: server.open == 0)
    assert server.disconnects == server.answering == 0


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(ENDLESS, id="stalled"),
        pytest.param(Reply(steps=(Pause(60.0),)), id="paused"),
        pytest.param(Reply(before=60.0), id="before the head"),
        pytest.param(Reply(steps=(Send(b"x"), Pause(60.0)), length=True), id="with a length"),
    ],
)
@pytest.mark.parametrize("by_reset", [False, True])
def test_who_leaves_is_seen_at_once(server: FaultServer, reply: Reply, by_reset: bool) -> None:
    server.queue(reply)
    client = raw_client(server)
    assert server.wait_for(lambda: server.answering == 1)
    if by_reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    left = time.perf_counter()
    client.close()
    assert server.wait_for(lambda: server.disconnects == 1)
    assert 0 < server.last_disconnect - left < AT_ONCE
    assert server.answering == server.open == 0


def test_who_leaves_while_it_falls_behind_is_seen(server: FaultServer) -> None:
    server.queue(Reply(steps=(Send(b"x" * 100_000),) * 1000))
    client = raw_client(server)
    assert server.wait_for(lambda: server.bytes_sent > 100_000)
    time.sleep(0.1)
    sent = server.bytes_sent
    time.sleep(0.05)
    assert server.bytes_sent == sent < 50_000_000  # it waits for the client
    client.close()
    assert server.wait_for(lambda: server.disconnects == 1)


def test_who_leaves_within_a_burst_is_seen(server: FaultServer) -> None:
    server.queue(Reply(steps=(Send(b"x"),) * 100_000))
    client = raw_client(server)
    client.recv(1)
    client.close()
    assert server.wait_for(lambda: server.disconnects == 1)
    assert server.bytes_sent < 600_000


def test_who_hangs_up_on_the_last_word_has_not_left_early(server: FaultServer) -> None:
    server.queue(*[stream(text("a"))] * 20, *[json_reply({"a": 1})] * 20)
    for end in (b"[DONE]\n\n\r\n", b"}"):
        for _ in range(20):
            with raw_client(server) as client:
                data = b""
                while end not in data:
                    data += client.recv(4096)
    assert server.wait_for(lambda: server.open == 0)
    assert server.connections == 40
    assert server.disconnects == 0


def test_an_answer_that_fails_is_told_to_the_client(server: FaultServer) -> None:
    def broken(received: object) -> Reply:
        raise RuntimeError("a mistake of the test")

    server.answer = broken
    status, data, _ = ask(server)
    assert status == 500
    assert b"a mistake of the test" in data
    assert server.wait_for(lambda: server.answering == 0)


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_where_no_body_may_be_there_is_none(server: FaultServer, method: str) -> None:
    server.answer = lambda received: stream(text("a")) if method == "HEAD" else Reply(204)
    client = connected(server)
    for _ in range(2):
        client.request(method, CHAT)
        assert client.getresponse().read() == b""
    assert server.connections == 1
    client.close()


# waiting, and the end


def test_waiting_gives_up(server: FaultServer) -> None:
    assert not server.wait_for(lambda: False, 0.01)


@pytest.mark.anyio
async def test_asynchronous_tests_can_wait_too(server: FaultServer) -> None:
    server.queue(ENDLESS)
    client = raw_client(server)
    assert await server.until(lambda: server.answering == 1)
    client.close()
    assert await server.until(lambda: server.disconnects == 1 and server.open == 0)
    assert not await server.until(lambda: False, 0.01)


def test_nothing_is_left_behind() -> None:
    threads = threading.active_count()
    with FaultServer() as server:
        server.queue(ENDLESS, Reply(before=60.0), Reply(steps=(Send(b"x" * 10_000_000),)))
        clients = [raw_client(server) for _ in range(3)]
        clients.append(socket.create_connection(("127.0.0.1", server.port), timeout=5))
        assert server.wait_for(lambda: server.open == 4 and server.answering == 3)
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads
    assert server.open == server.answering == server.disconnects == 0
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
    for client in clients:
        with client:
            read_all(client)  # it comes to its end


def test_who_connects_as_it_ends_is_let_go() -> None:
    clients = []
    with FaultServer() as server:
        clients += [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    for client in clients:
        client.close()
    assert server.open == 0


def test_a_server_can_be_started_again() -> None:
    server = FaultServer()
    for count in (1, 2):
        with server:
            assert ask(server, "/v1/models", method="GET")[0] == 200
        assert server.connections == count
