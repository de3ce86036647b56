"""What the suites share: an event loop to call into, and figures per token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal


@pytest.fixture(params=["asyncio", "trio"])
def portal(request: pytest.FixtureRequest) -> Iterator[BlockingPortal]:
    """An event loop in a thread of its own."""
    with start_blocking_portal(backend=request.param) as portal:
        yield portal


@pytest.fixture
def per_token(benchmark):
    """Benchmark a call that handles `tokens` tokens; the median per token goes into the record."""

    def run(call, tokens: int) -> None:
        benchmark.pedantic(call, rounds=15, warmup_rounds=2)
        stats = benchmark.stats.stats
        benchmark.extra_info["us_per_token"] = round(stats.median / tokens * 1e6, 3)

    return run


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """Print the figures per token, which the table of rounds does not show."""
    session = getattr(config, "_benchmarksession", None)
    if session is None:
        return
    terminalreporter.section("figures")
    for bench in session.benchmarks:
        for name, value in bench.extra_info.items():
            terminalreporter.write_line(f"{bench.name:60} {value:>10} {name}")
