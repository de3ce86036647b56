"""The laws, on a server of your own: set OPENAI_BASE_URL, and PENSTOCK_TEST_MODEL for its model.

They cost tokens, so there is no test here unless you ask for it.
"""

from __future__ import annotations

import penstock
from penstock.testing import Subject
from penstock.testing.conformance import Conformance

from tests.openai.real import EXTERNAL, EXTERNAL_KEY, EXTERNAL_MODEL

if EXTERNAL:

    class TestExternal(Conformance):
        subject = Subject(
            load=lambda: penstock.load(
                f"openai:{EXTERNAL_MODEL}",
                options={"base_url": EXTERNAL, "api_key": EXTERNAL_KEY},
            ),
            prompt="Once upon a time",
            recall=("My name is Ada.", "What is my name?", "Ada"),
        )
