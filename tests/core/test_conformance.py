"""The laws, over all flavours of echo."""

from __future__ import annotations

from penstock.loading import Loading
from penstock.testing import (
    EchoBatchEngine,
    EchoEngine,
    EchoOptions,
    EchoThreadEngine,
    Subject,
    hosted,
)
from penstock.testing.conformance import Conformance

TEXT = "the quick brown fox jumps over the lazy dog and runs far away from all of this, it does"
PACED = EchoOptions(delay=0.001, fail_after=None)
FAILING = "fail " * 4 + TEXT


def _script(request):
    """Echo's own script, but a prompt that begins with "fail" fails after ten tokens."""
    failing = request.text.startswith("fail")
    options = EchoOptions(delay=0.001, fail_after=10 if failing else None)
    return options.script(request)


def load_async() -> Loading:
    return hosted(EchoEngine(_script))


def load_blocking() -> Loading:
    return hosted(EchoThreadEngine(_script))


def load_batching() -> Loading:
    return hosted(EchoBatchEngine(_script))


def load_one_at_a_time() -> Loading:
    return hosted(EchoBatchEngine(_script, parallel=1))


SPOKEN = {
    "prompt": TEXT,
    "unicode": "wörld 你好 😀 ok",
    "failing": FAILING,
    "recall": ("My name is Ada.", "What is my name?", "Ada"),
}


class TestEcho(Conformance):
    subject = Subject(load=load_async, **SPOKEN)


class TestEchoBlocking(Conformance):
    subject = Subject(load=load_blocking, **SPOKEN)


class TestEchoBatching(Conformance):
    subject = Subject(load=load_batching, **SPOKEN)


class TestEchoBatchingOne(Conformance):
    """A batching engine with one place: a stream that rests must give it up."""

    subject = Subject(load=load_one_at_a_time, **SPOKEN)
