"""The laws as a pytest suite.

A backend's own test file needs six lines:

```python
from penstock.testing import Subject
from penstock.testing.conformance import Conformance

class TestMine(Conformance):
    subject = Subject(load=lambda: penstock.load("mine:model"))
```
"""

from __future__ import annotations

from typing import Any

import pytest

from penstock.testing.laws import LAWS, Law
from penstock.testing.subject import Subject

__all__ = ["LOOPS", "Conformance"]

LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}
"""The event loops every check runs on."""


class Conformance:
    """Every law, on every loop. Subclass it and set `subject`.

    A law may only be opted out of aloud: list its number and the reason in `known_gaps`; the test
    must then fail.
    """

    subject: Subject
    known_gaps: dict[int, str] = {}  # noqa: RUF012  # a subclass replaces it

    @pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
    def anyio_backend(self, request: pytest.FixtureRequest) -> Any:
        """Run each test on this loop."""
        return request.param

    @pytest.mark.anyio
    @pytest.mark.parametrize("law", LAWS, ids=lambda law: f"law{law.number}")
    async def test_law(self, law: Law, request: pytest.FixtureRequest) -> None:
        """The backend keeps this law."""
        if law.number in self.known_gaps:
            reason = self.known_gaps[law.number]
            request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
        await law.check(self.subject)
