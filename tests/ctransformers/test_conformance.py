"""The laws, over ctransformers with the pocket model."""

from __future__ import annotations

import penstock
from penstock import Segment
from penstock.testing import Subject
from penstock.testing.conformance import Conformance


class TestCTransformers(Conformance):
    subject = Subject(
        load=lambda: penstock.load("ctransformers:pocket:"),
        prompt="Once upon a time",
        unicode=(
            Segment("<|user|>", control=True),
            Segment("Say hello in Chinese."),
            Segment("</s><|assistant|>", control=True),
        ),
        recall=("My name is Ada.", "What is my name?", "Ada"),
    )
