"""Progress of the real sources and of a real engine, and what cancelling leaves, on every loop."""

from __future__ import annotations

import threading
from time import perf_counter

import anyio
import anyio.lowlevel
import penstock
import pytest
from penstock import LoadProgress
from penstock.errors import DeadlineExceeded
from penstock.progress import PHASES
from penstock.sources import SourceContext
from penstock_sources.downloads import Download
from penstock_sources.meter import Meter

pytestmark = pytest.mark.anyio


@pytest.fixture
def url(hub, tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return f"{hub.url}/files/pocket.gguf"


async def test_all_phases_come_in_order_and_nothing_goes_back(hub, url, body):
    hub.pace = 0.01
    loading = penstock.load(url)
    seen = [progress async for progress in loading.progress()]
    async with loading as model:
        assert (await model.complete("Once", max_tokens=2)).text
    phases = list(dict.fromkeys(progress.phase for progress in seen))
    assert phases == list(PHASES)
    places = [(PHASES.index(p.phase), p.fraction, p.bytes or 0) for p in seen]
    assert places == sorted(places)


async def test_a_download_tells_bytes_total_rate_and_file(hub, url, body):
    hub.pace = 0.01
    seen: list[LoadProgress] = []
    async with penstock.load(url, on_progress=seen.append):
        pass
    told = [progress for progress in seen if progress.phase == "downloading"]
    assert len(told) > 2
    assert {(progress.total, progress.file) for progress in told} == {(len(body), "pocket.gguf")}
    assert told[-1].bytes == len(body)
    assert told[-1].fraction == 1.0
    assert 1e5 < told[-1].rate < 1e9
    assert [progress.sha256 for progress in seen if progress.sha256]


async def test_cancelling_a_download_keeps_what_came_and_the_next_load_goes_on(hub, url):
    hub.pace = 0.05
    loading = penstock.load(url)
    with anyio.move_on_after(10) as scope:
        async for progress in loading.progress():
            if (progress.bytes or 0) > 500_000:
                scope.cancel()
    hub.pace = 0
    async with penstock.load(url) as model:
        assert model.info.backend == "llamacpp"
    assert hub.bodies()[-1] > 400_000  # its last chunk may have been on its way


@pytest.mark.parametrize("phase", PHASES[:-1])
async def test_cancelling_is_heeded_in_every_phase_and_the_next_load_is_as_good(hub, url, phase):
    before = threading.active_count()
    met = []
    with anyio.CancelScope() as scope:
        async for progress in penstock.load(url).progress():
            if progress.phase == phase:
                met.append(perf_counter())
                scope.cancel()
                await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert perf_counter() - met[0] < 2
    async with penstock.load(url) as model:
        assert (await model.complete("Once", max_tokens=2)).text
    with anyio.fail_after(5):  # nothing goes on behind it: no engine, no download
        while threading.active_count() > before + 3:  # workers of the loop, kept for the next call
            await anyio.sleep(0.01)


async def test_the_thread_of_a_cancelled_download_ends_within_a_chunk(hub, url):
    hub.pace = 0.05
    with anyio.move_on_after(0.3):
        async with penstock.load(url):
            pytest.fail("loaded in no time")
    part = Download.parse(url).part
    await anyio.sleep(0.2)
    size = part.stat().st_size
    await anyio.sleep(0.2)
    assert part.stat().st_size == size


async def test_the_deadline_of_loading_holds_for_downloads_too(hub, url):
    hub.pace = 0.1
    with anyio.fail_after(5), pytest.raises(DeadlineExceeded):
        await penstock.load(url, deadlines=penstock.Deadlines(load=0.3)).__aenter__()
    assert Download.parse(url).part.exists()


async def test_a_meter_reports_now_and_then_and_at_the_end():
    seen: list[LoadProgress] = []
    now = [0.0]
    meter = Meter(SourceContext(progress=seen.append), "downloading", 100, clock=lambda: now[0])
    meter.skip(20)
    meter.report()
    for _ in range(8):
        now[0] += 0.0625
        meter.add(10)
    assert [progress.bytes for progress in seen] == [20, 40, 60, 80, 100]
    assert seen[-1].rate == pytest.approx(160)
