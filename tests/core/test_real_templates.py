"""The templates of well-known models say here what they say to others."""

from __future__ import annotations

import pytest
from penstock import Message, ToolCall
from penstock.errors import PenstockError
from penstock.templates import render

from .real_templates import FILES, MISSING, TOOL, reference, required

CALL = ToolCall("call00001", "weather", '{"city": "Paris"}')
CALLED = (
    Message("user", "Weather?"),
    Message("assistant", "", (CALL,)),
    Message("tool", '{"sky": "blue"}', tool_call_id="call00001"),
)
TALKS = {
    "single turn": ((Message("user", "Hello </s> 🎏"),), ()),
    "multi turn": (
        (
            Message("user", "Hello"),
            Message("assistant", "Hi <|im_end|> there."),
            Message("user", "  And now?\n"),
        ),
        (),
    ),
    "system": (
        (
            Message("system", "Be brief."),
            Message("user", "Hello"),
            Message("assistant", "<think>\nHm.\n</think>\n\nHi"),
            Message("user", "Bye"),
        ),
        (),
    ),
    "tools": ((Message("system", "Be brief."), Message("user", "Weather?")), (TOOL,)),
    "results": (CALLED, (TOOL,)),
    "behind results": (
        (*CALLED, Message("assistant", "Mild."), Message("user", "Thanks")),
        (TOOL,),
    ),
}


def test_the_templates_are_here():
    if not FILES:
        assert not required(), MISSING
        pytest.skip(MISSING)
    assert len(FILES) > 50


def references(template, messages, tools):
    """Return what others may make of it: they leave it to the caller how calls are put."""
    forms = [("", False), (None, False), ("", True), (None, True)]
    if not any(message.tool_calls for message in messages):
        forms = forms[:1]
    for silence, as_text in forms:
        try:
            yield reference(template, messages, tools=tools, silence=silence, as_text=as_text)
        except Exception:  # noqa: BLE001  # a template may fail in any way
            continue


@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_prompt_is_the_one_that_the_model_knows(file, talk):
    template, (messages, tools) = file.read_text(encoding="utf-8"), TALKS[talk]
    wanted = list(references(template, messages, tools))
    if not any(shows(text, messages, tools) for text in wanted):
        with pytest.raises(PenstockError):
            render(template, messages, bos_token="<s>", eos_token="</s>", tools=tools)
        return
    segments = render(template, messages, bos_token="<s>", eos_token="</s>", tools=tools)
    assert "".join(segment.text for segment in segments) in wanted
    said = "".join(segment.text for segment in segments if not segment.control)
    assert all(m.content.strip() in said for m in messages if m.role == "user")


def shows(text, messages, tools):
    """Whether a prompt shows all that has to do with tools."""
    calls = [call.name for message in messages for call in message.tool_calls]
    results = [m.content for m in messages if m.role == "tool"]
    found = all(name in text for name in [tool.name for tool in tools] + calls)
    return found and all(r in text or r.replace('"', '\\"') in text for r in results)
