"""What these tests share: a server that misbehaves when told to, and a model on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import penstock
import pytest
from penstock.backend import OptionValue
from penstock.loading import Loading
from penstock_openai.testing import FaultServer

Connect = Callable[..., Loading]


@pytest.fixture(autouse=True)
def no_keys_of_mine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the environment says of servers."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
def connect(server: FaultServer) -> Connect:
    """Load a model on the server, by default without asking it anything first."""

    def load(deadlines: penstock.Deadlines | None = None, **options: OptionValue) -> Loading:
        given = {"base_url": server.url, "flavor": "standard", "retries": 0, **options}
        return penstock.load("openai:test", options=given, deadlines=deadlines)

    return load
