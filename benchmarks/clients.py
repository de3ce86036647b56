"""Ways to read a chat over HTTP, each as its users would. Run as a child, by name.

Each starts a stream, which is its library's own object, and takes the text out of what it gives.
The loops around them are the same for all. Their libraries may live in environments of their own,
so that nothing here imports more than it uses.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any
from urllib.parse import urlsplit

TALK = [{"role": "user", "content": "Hi"}]


@dataclass(frozen=True, slots=True)
class Client:
    """How a stream is started, from the name of a model, and what the text of an item is."""

    start: Callable[[str], Awaitable[AsyncIterable[Any]]]
    text: Callable[[Any], str] = str


def _openai_text(chunk: Any) -> str:
    return chunk.choices[0].delta.content or ""


@asynccontextmanager
async def opened_asyncio(url: str) -> AsyncIterator[Client]:
    """The limit: a socket, lines, and JSON."""
    parts = urlsplit(url)

    async def start(model: str) -> AsyncIterator[str]:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        body = json.dumps({"model": model, "messages": TALK, "stream": True}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        return lines(reader, writer)

    async def lines(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> AsyncIterator[str]:
        try:
            async for line in reader:
                if line.startswith(b"data: {"):
                    yield json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
                elif line.startswith(b"data: [DONE]"):
                    return
        finally:
            writer.close()

    yield Client(start)


@asynccontextmanager
async def opened_httpx2(url: str) -> AsyncIterator[Client]:
    """The transport that the openai client uses, and JSON."""
    import httpx2

    async with httpx2.AsyncClient(timeout=60) as client:

        async def start(model: str) -> AsyncIterator[str]:
            return lines({"model": model, "messages": TALK, "stream": True})

        async def lines(body: dict[str, object]) -> AsyncIterator[str]:
            async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
                async for line in response.aiter_lines():
                    if line.startswith("data: {"):
                        yield json.loads(line[6:])["choices"][0]["delta"].get("content") or ""

        yield Client(start)


@asynccontextmanager
async def opened_untyped(url: str, http_client: Any = None) -> AsyncIterator[Client]:
    """The openai client's stream of plain objects."""
    import openai

    async with openai.AsyncOpenAI(api_key="none", base_url=url, http_client=http_client) as client:

        async def start(model: str) -> AsyncIterable[Any]:
            return await client.post(
                "/chat/completions",
                cast_to=object,
                body={"model": model, "messages": TALK, "stream": True},
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )

        yield Client(start, lambda chunk: chunk["choices"][0]["delta"].get("content") or "")


@asynccontextmanager
async def opened_untyped_aiohttp(url: str) -> AsyncIterator[Client]:
    """The same over aiohttp, as the client's extra has it."""
    import openai

    async with opened_untyped(url, openai.DefaultAioHttpClient()) as client:
        yield client


@asynccontextmanager
async def opened_typed(url: str) -> AsyncIterator[Client]:
    """The openai client as it is documented."""
    import openai

    async with openai.AsyncOpenAI(api_key="none", base_url=url) as client:

        async def start(model: str) -> AsyncIterable[Any]:
            return await client.chat.completions.create(model=model, messages=TALK, stream=True)

        yield Client(start, _openai_text)


@asynccontextmanager
async def opened_penstock(url: str) -> AsyncIterator[Client]:
    """Ours, with all that it checks. A model is loaded once for each name."""
    import penstock

    async with AsyncExitStack() as stack:
        models: dict[str, penstock.Model] = {}

        async def start(name: str) -> AsyncIterable[penstock.Delta]:
            if name not in models:
                options = {"base_url": url, "flavor": "standard"}
                loading = penstock.load(f"openai:{name}", options=options)
                models[name] = await stack.enter_async_context(loading)
            return models[name].chat(TALK)

        yield Client(start, lambda delta: delta.text)


@asynccontextmanager
async def opened_litellm(url: str) -> AsyncIterator[Client]:
    import litellm

    async def start(model: str) -> AsyncIterable[Any]:
        return await litellm.acompletion(
            model=f"openai/{model}", messages=TALK, stream=True, api_base=url, api_key="none"
        )

    yield Client(start, _openai_text)


@asynccontextmanager
async def opened_any_llm(url: str) -> AsyncIterator[Client]:
    from any_llm import acompletion

    async def start(model: str) -> AsyncIterable[Any]:
        return await acompletion(
            model=model, provider="openai", messages=TALK, stream=True, api_base=url, api_key="none"
        )

    yield Client(start, _openai_text)


@asynccontextmanager
async def opened_langchain(url: str) -> AsyncIterator[Client]:
    from langchain_openai import ChatOpenAI

    async def start(model: str) -> AsyncIterable[Any]:
        return ChatOpenAI(model=model, base_url=url, api_key="none").astream("Hi")

    yield Client(start, lambda chunk: str(chunk.content))


@asynccontextmanager
async def opened_pydantic_ai(url: str) -> AsyncIterator[Client]:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=url, api_key="none")

    async def start(model: str) -> AsyncIterable[str]:
        return texts(Agent(OpenAIChatModel(model, provider=provider)))

    async def texts(agent: Any) -> AsyncIterator[str]:
        async with agent.run_stream("Hi") as result:
            async for text in result.stream_text(delta=True, debounce_by=None):
                yield text

    yield Client(start)


CLIENTS = {
    name.removeprefix("opened_"): opener
    for name, opener in list(globals().items())
    if name.startswith("opened_")
}


async def flat(client: Client, chunks: int) -> dict[str, float]:
    """Read one stream of so many chunks; return seconds for a chunk, on the clock and of work."""
    began, worked = perf_counter(), process_time()
    letters, text = 0, client.text
    async for item in await client.start(f"flat-{chunks}"):
        letters += len(text(item))
    assert letters == len(" word") * chunks, letters
    return {
        "clock": (perf_counter() - began) / chunks,
        "work": (process_time() - worked) / chunks,
    }


async def paced(client: Client, streams: int, chunks: int, pace: float) -> dict[str, float]:
    """Read streams side by side; return how late their chunks were, and the work for one."""
    delays: list[float] = []

    async def one() -> None:
        async for item in await client.start(f"paced-{chunks}-{pace}"):
            if text := client.text(item):
                delays.append(perf_counter() - float(text))  # noqa: PERF401  # now, not then

    worked = process_time()
    await asyncio.gather(*(one() for _ in range(streams)))
    work = process_time() - worked
    assert len(delays) == streams * chunks, len(delays)
    delays.sort()
    return {
        "p50": delays[len(delays) // 2],
        "p99": delays[int(len(delays) * 0.99)],
        "work": work / (streams * chunks),
    }


async def left(client: Client, url: str, how: str) -> dict[str, float]:
    """Leave a stream by `break`, with its handle kept or forgotten.

    Returns the seconds until the server saw that; infinity after one.
    """
    stream = await client.start("stall")
    async for item in stream:
        if client.text(item):
            break
    began = perf_counter()
    if how == "forget":
        del stream
    while perf_counter() < began + 1.0:
        await asyncio.sleep(0.02)
        seen = await asyncio.to_thread(_seen, url)
        if seen > began:
            return {"seconds": seen - began}
    return {"seconds": float("inf")}


async def many(client: Client, requests: int) -> dict[str, float]:
    """Read so many short answers one after the other; return the seconds for one."""
    began = perf_counter()
    for _ in range(requests):
        async for _ in await client.start("short"):
            pass
    return {"seconds": (perf_counter() - began) / requests}


def _seen(url: str) -> float:
    import urllib.request

    with urllib.request.urlopen(url.removesuffix("/v1") + "/left") as told:
        return float(told.read())


async def main(name: str, url: str) -> None:
    answers = os.fdopen(os.dup(1), "w")  # libraries print
    os.dup2(2, 1)
    async with CLIENTS[name](url) as client:
        await flat(client, 4000)  # imports, pools, what is compiled on first use
        print("ready", file=answers, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            match order.pop("measure"):
                case "flat":
                    found = await flat(client, **order)
                case "paced":
                    found = await paced(client, **order)
                case "many":
                    found = await many(client, **order)
                case _:
                    found = await left(client, url, **order)
            print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
