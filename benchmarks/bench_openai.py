"""What a chunk costs over HTTP, how late it is, and how soon the server knows that you left.

The same server for all, in a process of its own, and each client in one. The limits are a bare
socket with JSON, and the openai client's untyped stream, which does none of our checks.
Goals: flat out at most 1.0 times the untyped stream's work; 50 streams of 100 chunks per second at
most 1.2 times its p99 delay; the server free within 1 ms of a plain `break`, handle kept or not.
The peers need environments of their own: PENSTOCK_BENCH=full makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import pytest

from benchmarks.http_peers import HttpClient
from benchmarks.mock import MockServer
from benchmarks.scale import rounds

OURS, LIMIT = "penstock", "untyped"
CLIENTS = [
    "asyncio", "httpx2", "untyped", "untyped_aiohttp", "typed",
    "litellm", "any_llm", "langchain", "pydantic_ai",
]  # fmt: skip
STREAMS, CHUNKS, PACE = 50, 400, 0.01


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with MockServer() as server:
        yield server.url


@pytest.mark.benchmark(group="http, flat out")
@pytest.mark.parametrize("other", CLIENTS)
def bench_flat_out(url: str, benchmark, other: str) -> None:
    with HttpClient(OURS, url) as ours, HttpClient(other, url) as theirs:
        found: list[tuple[float, float]] = []

        def once() -> None:
            found.append(tuple(c.ask("flat", chunks=4000)["work"] for c in (ours, theirs)))

        benchmark.pedantic(once, rounds=rounds(5), warmup_rounds=1)
    mine, limit = (median(each) for each in zip(*found, strict=True))
    info = benchmark.extra_info
    info[f"us per chunk {other}"] = round(limit * 1e6, 1)
    info["us per chunk Penstock"] = round(mine * 1e6, 1)
    info[f"times {other}"] = round(median(one / other for one, other in found), 3)


@pytest.mark.benchmark(group="http, 50 streams")
@pytest.mark.parametrize("other", CLIENTS)
def bench_50_paced_streams(url: str, benchmark, other: str) -> None:
    order = {"streams": STREAMS, "chunks": CHUNKS, "pace": PACE}
    with HttpClient(OURS, url) as ours, HttpClient(other, url) as theirs:
        found: list[tuple[dict[str, float], dict[str, float]]] = []

        def once() -> None:
            found.append((ours.ask("paced", **order), theirs.ask("paced", **order)))

        benchmark.pedantic(once, rounds=rounds(2), warmup_rounds=0)
    info = benchmark.extra_info
    for what in ("p50", "p99"):
        info[f"ms {what} {other}"] = round(median(b[what] for _, b in found) * 1e3, 2)
        info[f"ms {what} Penstock"] = round(median(a[what] for a, _ in found) * 1e3, 2)
    info[f"times {other}'s p99"] = round(median(a["p99"] / b["p99"] for a, b in found), 3)
    info[f"times {other}'s work"] = round(median(a["work"] / b["work"] for a, b in found), 3)


@pytest.mark.benchmark(group="http, leaving")
@pytest.mark.parametrize("how", ["break", "forget"])
@pytest.mark.parametrize("who", [OURS, *CLIENTS])
def bench_leaving(url: str, benchmark, who: str, how: str) -> None:
    with HttpClient(who, url) as client:
        found: list[float] = []

        def once() -> None:
            found.append(client.ask("left", how=how)["seconds"])

        benchmark.pedantic(once, rounds=rounds(3), warmup_rounds=0)
    benchmark.extra_info["ms until the server knows"] = round(median(found) * 1e3, 3)


@pytest.mark.benchmark(group="http, requests")
@pytest.mark.parametrize("who", [OURS, "untyped", "typed"])
def bench_short_answers(url: str, benchmark, who: str) -> None:
    with HttpClient(who, url) as client:
        found: list[float] = []

        def once() -> None:
            found.append(client.ask("many", requests=200)["seconds"])

        benchmark.pedantic(once, rounds=rounds(3), warmup_rounds=1)
    benchmark.extra_info["us per request"] = round(median(found) * 1e6)
