"""The checks are checked: each broken engine fails exactly its own law."""

from __future__ import annotations

import pytest
from penstock.backend import AnyEngine
from penstock.loading import Loading
from penstock.testing import LAWS, EchoOptions, Law, LawBroken, Subject, hosted
from penstock.testing.broken import BROKEN, Broken
from penstock.testing.broken_batch import BROKEN_BATCHING, MENDED, NEVER_ENDS

TEXT = "the quick brown fox jumps over the lazy dog and runs far away from all of this, it does"


def script(request):
    """Echo's own, paced for the first tokens only; a prompt that begins with "fail" fails."""
    failing = request.text.startswith("fail")
    return paced(EchoOptions(delay=0.001, fail_after=10 if failing else None).script(request))


def paced(steps):
    from penstock.testing import Pause

    pauses = 0
    for step in steps:
        if isinstance(step, Pause):
            pauses += 1
            if pauses > 60:
                continue
        yield step


def subject_of(broken: Broken, *, longest: float = 60.0) -> Subject:
    def load() -> Loading:
        engine: AnyEngine = broken.engine(script)
        return hosted(engine)

    return Subject(
        load=load,
        prompt=TEXT,
        unicode="wörld 你好 😀 ok, and then some more words",
        failing="fail " * 4 + TEXT,
        recall=("My name is Ada.", "What is my name?", "Ada"),
        patience=0.5,
        longest=longest,
    )


@pytest.fixture
def anyio_backend() -> str:
    """One loop is enough here: the laws run on all of them over engines that are right."""
    return "asyncio"


def name_of(broken: Broken) -> str:
    return broken.fault.replace(" ", "-")


@pytest.mark.anyio
@pytest.mark.parametrize("law", LAWS, ids=lambda law: f"law{law.number}")
@pytest.mark.parametrize("broken", [*BROKEN, *BROKEN_BATCHING], ids=name_of)
async def test_a_broken_engine_fails_its_own_law_only(broken: Broken, law: Law) -> None:
    if law.number == broken.law:
        with pytest.raises(LawBroken):
            await law.check(subject_of(broken, longest=10.0))
    else:
        await law.check(subject_of(broken))


@pytest.mark.anyio
@pytest.mark.parametrize("law", LAWS, ids=lambda law: f"law{law.number}")
@pytest.mark.parametrize("broken", MENDED, ids=name_of)
async def test_what_core_mends_breaks_no_law(broken: Broken, law: Law) -> None:
    await law.check(subject_of(broken))


@pytest.mark.anyio
async def test_an_engine_that_never_ends_is_told_so() -> None:
    with pytest.raises(LawBroken, match="told no end"):
        await LAWS[NEVER_ENDS.law - 1].check(subject_of(NEVER_ENDS))


@pytest.mark.anyio
async def test_a_check_does_not_hang_where_an_engine_does() -> None:
    with pytest.raises(LawBroken, match="no end"):
        await LAWS[0].check(subject_of(NEVER_ENDS, longest=0.5))


def test_every_law_but_the_first_has_an_engine_that_breaks_it() -> None:
    assert {broken.law for broken in BROKEN} == {law.number for law in LAWS} - {1}
