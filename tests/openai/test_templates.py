"""Servers make prompts of messages by themselves: a template here would have no effect."""

from __future__ import annotations

import penstock
import pytest
from penstock import Message
from penstock.errors import Unsupported

pytestmark = pytest.mark.anyio


async def test_a_template_is_refused_and_the_connection_closed(server) -> None:
    options = {"base_url": server.url, "flavor": "standard"}
    with pytest.raises(Unsupported, match="makes prompts of messages by itself"):
        async with penstock.load("openai:test", options=options, chat_template="chatml"):
            pass


async def test_a_prompt_cannot_be_shown(connect) -> None:
    async with connect() as model:
        with pytest.raises(Unsupported, match="shows them to nobody"):
            await model.render([Message("user", "Hi")])
