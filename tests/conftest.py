"""What all tests share: every asynchronous test runs on each event loop."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.testing.conformance import LOOPS


@pytest.fixture(params=LOOPS.values(), ids=LOOPS.keys())
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param
