"""One stream: its share of a bare loop on the same library, and what `llama_cpp.Llama` makes of it.

Goals: 0.97 of the bare loop with 125 million parameters, 0.92 with 25 million; 1.15 and 1.6 times
`Llama`. The others run in a child each (see `child`), in turns with Penstock; a ratio is the median
of the rounds' ratios.
"""

from __future__ import annotations

import penstock
import pytest
from penstock.request import CallOptions

from benchmarks import models
from benchmarks.peer import Peer
from benchmarks.prompts import prompt
from benchmarks.reading import Rounds, read
from benchmarks.scale import only_where_it_runs, rounds
from benchmarks.settings import Settings

TOKENS = {"125m": 200, "25m": 600, "1500m": 40, "8b": 200}
PEERS = {
    "bare": "share of the bare loop",
    "llama": "times Llama with the same settings",
    "plain": "times Llama as it comes",
}


@pytest.mark.benchmark(group="one stream")
@pytest.mark.parametrize("drawn", [False, True], ids=["greedy", "defaults"])
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", TOKENS)
def bench_one_stream(loop, opened, benchmark, name: str, peer: str, drawn: bool) -> None:
    only_where_it_runs(name)
    model, tokens = opened(name, n_ctx=2048), TOKENS[name]
    with Peer(peer, Settings.of(model.info, str(models.path(name)))) as other:
        pairs = Rounds(
            lambda: other.run([prompt()], tokens, drawn=drawn)[0].itl,
            lambda: streamed(loop, model, tokens, drawn),
        )
        benchmark.pedantic(pairs, rounds=rounds(7), warmup_rounds=1)
    theirs, ours = pairs.medians
    benchmark.extra_info[f"tokens/s {peer}"] = round(1 / theirs)
    benchmark.extra_info["tokens/s Penstock"] = round(1 / ours)
    benchmark.extra_info[PEERS[peer]] = pairs.ratio


def streamed(loop, model: penstock.Model, tokens: int, drawn: bool) -> float:
    """Return the seconds for a token, to a reader in a task."""

    async def run() -> float:
        # The models never end by themselves, and an option more would be a sampler more.
        chosen: CallOptions = {"seed": 7} if drawn else {"temperature": 0}
        reading = await read(model.complete(prompt(), max_tokens=tokens, **chosen))
        assert len(reading.moments) == tokens
        return reading.itl

    return loop.call(run)
