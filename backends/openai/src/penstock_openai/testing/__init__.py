"""A server that speaks the OpenAI dialect as badly as a test wants it to, for backends over HTTP.

    from penstock_openai.testing import Cut, FaultServer, Reply, Send, event, role, text

    with FaultServer() as server:  # honest, until it is told otherwise
        broken = Reply(steps=(Send(event(role())), Send(event(text("Hel"))), Cut()))
        server.queue(broken)
        ...  # let a client ask server.url for a chat: this answer breaks off
        assert server.received[0].path == "/v1/chat/completions"
        assert server.wait_for(lambda: server.open == 0)

It runs on a thread of its own, and so serves tests of every kind. Nothing here imports Penstock.
"""

from penstock_openai.testing.connection import Counts
from penstock_openai.testing.honest import Honest
from penstock_openai.testing.replies import (
    Cut,
    Json,
    Pause,
    Reply,
    Reset,
    Send,
    Stall,
    Step,
    completion_text,
    error,
    error_body,
    event,
    finish,
    json_reply,
    role,
    stream,
    text,
    text_reply,
    usage,
    usage_body,
    whole_chat,
    whole_completion,
)
from penstock_openai.testing.server import Answer, FaultServer
from penstock_openai.testing.wire import Received

__all__ = [
    "Answer",
    "Counts",
    "Cut",
    "FaultServer",
    "Honest",
    "Json",
    "Pause",
    "Received",
    "Reply",
    "Reset",
    "Send",
    "Stall",
    "Step",
    "completion_text",
    "error",
    "error_body",
    "event",
    "finish",
    "json_reply",
    "role",
    "stream",
    "text",
    "text_reply",
    "usage",
    "usage_body",
    "whole_chat",
    "whole_completion",
]
