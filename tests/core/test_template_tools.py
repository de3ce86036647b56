"""Tools in chats of models that run from a template."""

from __future__ import annotations

from dataclasses import replace

import pytest
from penstock import Message, Tool, ToolCall
from penstock.errors import Unsupported
from penstock.request import Sampling
from penstock.templates import render
from penstock.templates.formats import TEMPLATES
from penstock.testing import EchoEngine, hosted

pytestmark = pytest.mark.anyio

TOOL = Tool("weather", "Tells </s>", '{"type": "object", "properties": {"city": {}}}')
CALL = ToolCall("call_1", "weather", '{"city": "<s>Paris"}')
TALK = [
    Message("user", "Weather?"),
    Message("assistant", "", (CALL,)),
    Message("tool", "18 degrees", tool_call_id="call_1"),
]
TEMPLATE = (
    "{% if tools %}<|tools|>{{ tools | tojson }}{% endif %}"
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
    "{% for c in m.tool_calls %}<|call|>{{ c.function | tojson }}{% endfor %}{% endfor %}"
    "<|assistant|>"
)


def shown(template, messages=TALK, tools=(TOOL,)):
    return "".join(segment.text for segment in render(template, messages, tools=tools))


@pytest.fixture
def model():
    """A model with a template that knows tools, and says the prompt back."""

    def make(template=TEMPLATE, **settings):
        engine = EchoEngine(lambda request: [str(request.sampling.tools), request.text])
        engine.info = replace(engine.info, chat_template=template)
        return hosted(engine, **settings)

    return make


def test_tools_and_calls_have_the_form_of_chat_apis():
    assert shown(TEMPLATE) == (
        '<|tools|>[{"type": "function", "function": {"name": "weather", '
        '"description": "Tells </s>", '
        '"parameters": {"type": "object", "properties": {"city": {}}}}}]'
        "<|user|>Weather?<|assistant|>"
        '<|call|>{"name": "weather", "arguments": {"city": "<s>Paris"}}'
        "<|tool|>18 degrees<|assistant|>"
    )


def test_what_tools_say_is_no_control():
    control = "".join(s.text for s in render(TEMPLATE, TALK, tools=[TOOL]) if s.control)
    assert control == "<|tools|><|user|><|assistant|><|call|><|tool|><|assistant|>"


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{{ c.function.arguments }}", '{"city": "<s>Paris"}'),
        ("{{ 'f' + c.function.arguments + ';' }}", 'f{"city": "<s>Paris"};'),
        ("{{ 'f' ~ c.function.arguments }}", 'f{"city": "<s>Paris"}'),
        ("{{ c.function.arguments | tojson }}", '{"city": "<s>Paris"}'),
        (
            "{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }}{% endfor %}",
            "city=<s>Paris",
        ),
        (
            "{% for k, v in c.function.arguments | items %}{{ k }}={{ v }}{% endfor %}",
            "city=<s>Paris",
        ),
        ("{{ c.function.arguments.city }}", "<s>Paris"),
        ("{{ c.function.arguments is mapping }}", "True"),
        ("{{ messages[2].name }}{{ messages[2].tool_call_id }}", "weathercall_1"),
    ],
)
def test_arguments_are_a_mapping_and_their_json(template, wanted):
    all_told = "{{ messages[1].tool_calls[0].function.name }}{{ messages[2].content }}|"
    template = all_told + "{% set c = messages[1].tool_calls[0] %}" + template
    assert shown(template, tools=()).partition("|")[2] == wanted


@pytest.mark.parametrize("arguments", ["", "{", "[1]", "null", "3", "[" * 100_000])
def test_arguments_that_are_no_mapping_are_text(arguments):
    talk = [Message("user", "x"), Message("assistant", "", (ToolCall("1", "f", arguments),))]
    template = "{% set f = messages[1].tool_calls[0].function %}{{ f.name }}{{ f.arguments }}"
    assert shown(template, talk, ()) == "f" + arguments


def test_an_answer_of_calls_alone_has_no_text_where_a_template_wants_none():
    template = (
        "{% for m in messages %}{% if m.content is none %}{% for c in m.tool_calls %}"
        "{{ c.function.name }}{% endfor %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    assert shown(template, tools=()) == "Weather?weather18 degrees"


@pytest.mark.parametrize(
    ("template", "match"),
    [
        ("{% if tools %}{% endif %}", "does not show the tool 'weather'"),
        ("{{ tools | tojson }}", "the call of the tool 'weather'|the result '18 degrees'"),
        ("{{ tools }}{% for m in messages %}{{ m.tool_calls }}{% endfor %}", "the result '18 deg"),
    ],
)
def test_a_template_that_leaves_out_what_tools_need_is_told(template, match):
    with pytest.raises(Unsupported, match=match):
        shown(template)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_named_format_shows_no_tools_and_says_so(name):
    """Also those that fail on an answer of calls alone where it has no text at all."""
    with pytest.raises(Unsupported, match="does not show the call of the tool 'weather'"):
        shown(TEMPLATES[name], tools=())


async def test_a_chat_shows_the_tools_it_is_given(model):
    async with model() as loaded:
        done = await loaded.chat(TALK, tools=[TOOL])
        assert done.text.startswith("None<|tools|>"), "the engine itself gets no tools"
        assert done.effective.tools == (TOOL,)
        assert (await loaded.chat(TALK[:1], tools=[TOOL], tool_choice="none")).text.startswith(
            "None<|user|>"
        )


async def test_tools_of_the_model_are_shown_too(model):
    async with model(sampling=Sampling(tools=[TOOL])) as loaded:
        assert "<|tools|>" in (await loaded.chat(TALK[:1])).text


async def test_a_template_that_knows_no_tools_refuses_them_at_once(model):
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    async with model(template) as loaded:
        with pytest.raises(Unsupported, match="does not honour tools"):
            loaded.chat(TALK[:1], tools=[TOOL])
        done = await loaded.chat(TALK[:1], tools=[TOOL], unsupported="drop")
        assert "tools" in done.warnings[0]


async def test_a_choice_cannot_be_forced_by_a_template(model):
    async with model() as loaded:
        with pytest.raises(Unsupported, match="does not honour tool_choice='required'"):
            loaded.chat(TALK[:1], tools=[TOOL], tool_choice="required")
        done = await loaded.chat(TALK[:1], tools=[TOOL], tool_choice="weather", unsupported="drop")
        assert "<|tools|>" in done.text
        assert done.effective.tool_choice is None


async def test_a_prompt_shows_no_tools(model):
    async with model() as loaded:
        with pytest.raises(Unsupported, match="does not honour tools"):
            loaded.complete("Weather?", tools=[TOOL])


async def test_what_is_rendered_is_what_is_asked(model):
    async with model() as loaded:
        segments = await loaded.render(TALK, [TOOL])
        assert segments == render(TEMPLATE, TALK, tools=[TOOL])
        assert (await loaded.chat(TALK, tools=[TOOL])).text == "None" + "".join(
            segment.text for segment in segments
        )
