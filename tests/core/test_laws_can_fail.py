"""The checks are checked: each broken engine fails exactly its own law."""

from __future__ import annotations

import pytest
from penstock.backend import AnyEngine
from penstock.loading import Loading
from penstock.testing import LAWS, EchoOptions, Law, LawBroken, Subject, hosted
from penstock.testing.broken import BROKEN, Broken

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


def subject_of(broken: Broken) -> Subject:
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
    )


@pytest.fixture
def anyio_backend() -> str:
    """One loop is enough here: the laws run on all of them over engines that are right."""
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("law", LAWS, ids=lambda law: f"law{law.number}")
@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.fault.replace(" ", "-"))
async def test_a_broken_engine_fails_its_own_law_only(broken: Broken, law: Law) -> None:
    if law.number == broken.law:
        with pytest.raises(LawBroken):
            await law.check(subject_of(broken))
    else:
        await law.check(subject_of(broken))


def test_every_law_but_the_first_has_an_engine_that_breaks_it() -> None:
    assert {broken.law for broken in BROKEN} == {law.number for law in LAWS} - {1}
