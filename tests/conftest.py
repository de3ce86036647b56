"""What all tests share: every asynchronous test runs on each event loop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from penstock.testing.conformance import LOOPS


@pytest.fixture(params=LOOPS.values(), ids=LOOPS.keys())
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="session", autouse=True)
def nothing_is_configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave out what the file of whoever runs the tests says, and the variables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("configuration")))
        for name in [*os.environ]:
            if name == "PENSTOCK_MODEL" or (name.startswith("PENSTOCK_") and "__" in name):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def interrupts_are_heard() -> Iterator[None]:
    """Let Ctrl-C reach the programs under test, though a shell may have started us without it.

    What runs in the background of a script ignores SIGINT, and so does all that it starts.
    """
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)
