"""The laws, over HTTP, against the fault server where it behaves."""

from __future__ import annotations

from collections.abc import Iterator

import penstock
import pytest
from penstock.loading import Loading
from penstock.testing import Subject
from penstock.testing.conformance import Conformance
from penstock_openai.testing import FaultServer

UNICODE = "Grüße 世界 🙂 naïve café ½ Ελλάδα"


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


class TestHonestServer(Conformance):
    subject: Subject

    @pytest.fixture(autouse=True)
    def _subject(self, server: FaultServer) -> None:
        def load() -> Loading:
            options = {"base_url": server.url, "flavor": "vllm", "context_length": 512}
            return penstock.load("openai:echo", options=options)

        self.subject = Subject(
            load=load,
            unicode=UNICODE,
            failing="please fail now",
            recall=("My name is Ada.", "What is my name?", "Ada"),
        )
