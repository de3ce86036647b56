"""What the suites share: an event loop to call into, models in it, and the figures at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import penstock
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from penstock.backend import OptionValue

from benchmarks import models
from benchmarks.scale import Absent


@pytest.fixture(params=["asyncio", "trio"])
def portal(request: pytest.FixtureRequest) -> Iterator[BlockingPortal]:
    """An event loop in a thread of its own."""
    with start_blocking_portal(backend=request.param) as portal:
        yield portal


@pytest.fixture
def loop() -> Iterator[BlockingPortal]:
    """An asyncio loop in a thread of its own, for measures that one kind of loop is enough for."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def opened(loop: BlockingPortal) -> Iterator[Callable[..., penstock.Model]]:
    """Load a random model into `loop`, with load options; freed at the end of the benchmark."""
    with ExitStack() as stack:

        def load(name: str, **options: OptionValue) -> penstock.Model:
            loading = penstock.load(f"llamacpp:{models.path(name)}", options=options)
            try:
                model = stack.enter_context(loop.wrap_async_context_manager(loading))
            except penstock.UsageError as error:
                raise Absent(str(error)) from error
            able, wanted = model.info.capabilities.parallel, options.get("parallel", 1)
            if able is not None and able < int(str(wanted)):
                raise Absent(f"the engine runs {able} at a time, and {wanted} are measured")
            return model

        yield load


@pytest.fixture
def per_token(benchmark):
    """Benchmark a call that handles `tokens` tokens; the median per token goes into the record."""

    def run(call, tokens: int) -> None:
        benchmark.pedantic(call, rounds=15, warmup_rounds=2)
        stats = benchmark.stats.stats
        benchmark.extra_info["us_per_token"] = round(stats.median / tokens * 1e6, 3)

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A benchmark that is left out has not used its fixture; that is no fault."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore:Benchmark fixture was not used"))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Iterator[None]:
    """Skip what cannot be measured here."""
    try:
        return (yield)
    except Absent as reason:
        pytest.skip(str(reason))


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """Print the figures, which the table of rounds does not show, and what was left out."""
    session = getattr(config, "_benchmarksession", None)
    if session is None:
        return
    terminalreporter.section("figures")
    for bench in session.benchmarks:
        for name, value in bench.extra_info.items():
            terminalreporter.write_line(f"{bench.name:60} {value!s:>10} {name}")
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2].replace("Skipped:", "left out:")
        terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]:60} {reason}")
