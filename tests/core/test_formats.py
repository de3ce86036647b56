"""Chat formats by name: what they say, and that they are those of the models."""

from __future__ import annotations

import penstock
import pytest
from penstock import Message
from penstock.errors import UsageError
from penstock.templates import render
from penstock.templates.formats import TEMPLATES, template_of

from .real_templates import real, reference

SYSTEM = Message("system", "Be brief.")
TALK = (Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "Bye"))


def prompt(name, messages):
    segments = render(TEMPLATES[name], messages, bos_token="<s>", eos_token="</s>")
    return "".join(segment.text for segment in segments)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_format_shows_a_conversation(name):
    segments = render(TEMPLATES[name], (SYSTEM, *TALK), bos_token="<s>", eos_token="</s>")
    text = "".join(segment.text for segment in segments)
    words = ("Be brief.", "Hello", "Hi", "Bye")
    assert [text.count(word) for word in words] == [1, 1, 1, 1]
    assert "\\n" not in text
    assert not any(s.control for s in segments if s.text in words)


SPELLED = {
    "alpaca": (
        "Be brief.\n\n### Instruction:\nHello\n\n### Response:\nHi\n\n"
        "### Instruction:\nBye\n\n### Response:\n"
    ),
    "chatml": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
        "<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
    "deepseek": (
        "<s>Be brief.<｜User｜>Hello<｜Assistant｜>Hi<｜end▁of▁sentence｜>"
        "<｜User｜>Bye<｜Assistant｜>"
    ),
    "gemma": (
        "<s><start_of_turn>user\nBe brief.\n\nHello<end_of_turn>\n"
        "<start_of_turn>model\nHi<end_of_turn>\n"
        "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n"
    ),
    "llama2": (
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHello [/INST] Hi </s><s>[INST] Bye [/INST]"
    ),
    "llama3": (
        "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "mistral": "<s>[INST] Be brief.\n\nHello [/INST]Hi</s>[INST] Bye [/INST]",
    "mistral-nemo": "<s>[INST]Hello[/INST]Hi</s>[INST]Be brief.\n\nBye[/INST]",
    "phi3": (
        "<|system|>\nBe brief.<|end|>\n<|user|>\nHello<|end|>\n<|assistant|>\nHi<|end|>\n"
        "<|user|>\nBye<|end|>\n<|assistant|>\n"
    ),
    "vicuna": "Be brief. USER: Hello ASSISTANT: Hi</s>USER: Bye ASSISTANT:",
    "zephyr": (
        "<|system|>\nBe brief.</s>\n<|user|>\nHello</s>\n<|assistant|>\nHi</s>\n"
        "<|user|>\nBye</s>\n<|assistant|>\n"
    ),
}


@pytest.mark.parametrize("name", SPELLED)
def test_a_format_is_spelled_as_its_models_know_it(name):
    assert prompt(name, (SYSTEM, *TALK)) == SPELLED[name]


GREETED = (SYSTEM, Message("assistant", "Welcome"), Message("user", "Hello"))
REMINDED = (SYSTEM, *TALK[:2], Message("system", "Be kind."), TALK[2])


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("messages", [GREETED, REMINDED], ids=["greeted", "reminded"])
def test_whatever_the_system_says_is_shown_once(name, messages):
    """Also before an answer that begins the conversation, and in the middle of it."""
    text = prompt(name, messages)
    assert [text.count(message.content) for message in messages] == [1] * len(messages)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gemma", "<start_of_turn>user\nBe kind.\n\nBye<end_of_turn>"),
        ("llama2", "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nBye [/INST]"),
        ("mistral", "[INST] Be kind.\n\nBye [/INST]"),
        ("mistral-nemo", "[INST]Be brief.\n\nBe kind.\n\nBye[/INST]"),
    ],
)
def test_what_the_system_says_later_is_no_answer(name, said):
    assert prompt(name, REMINDED).count(said) == 1


@pytest.mark.parametrize(
    ("name", "of", "messages", "before", "behind"),
    [
        ("chatml", "Qwen-Qwen2.5-7B-Instruct", (SYSTEM, *TALK), "", ""),
        ("deepseek", "deepseek-ai-DeepSeek-R1-Distill-Llama-8B", (SYSTEM, *TALK), "", "<think>\n"),
        ("gemma", "google-gemma-2-2b-it", TALK, "", ""),
        ("llama3", "fireworks-ai-llama-3-firefunction-v2", TALK, "", ""),
        ("mistral-nemo", "mistralai-Mistral-Nemo-Instruct-2407", (SYSTEM, *TALK), "", ""),
        ("phi3", "microsoft-Phi-3.5-mini-instruct", (SYSTEM, *TALK), "", ""),
    ],
)
def test_a_format_is_that_of_a_real_model(name, of, messages, before, behind):
    wanted = reference(real(of), messages, functions="", datetime="")
    ours = prompt(name, messages)
    if name == "llama3":  # that model begins with a system message of its own
        first = "<|start_header_id|>user"
        wanted, ours = (text[text.index(first) :] for text in (wanted, ours))
    assert wanted == before + ours + behind


@pytest.mark.parametrize("name", ["llama2", "llama-2", "LLAMA_2", "Llama-2"])
def test_names_may_be_spelled_in_several_ways(name):
    assert template_of(name) == TEMPLATES["llama2"]


def test_what_has_braces_is_a_template():
    assert template_of("{{ messages }}") == "{{ messages }}"


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="no chat template 'chatlm'. Did you mean 'chatml'"):
        template_of("chatlm")


# load(chat_template=…)


@pytest.mark.anyio
async def test_a_model_is_loaded_with_another_template():
    async with penstock.load("echo:", chat_template="chatml") as model:
        assert model.info.chat_template == TEMPLATES["chatml"]
        segments = await model.render([{"role": "user", "content": "Hi"}])
        assert segments[0].text == "<|im_start|>user\n"


def test_the_sync_facade_takes_a_template_too():
    template = "[{{ messages[0].content }}]"
    with penstock.sync.load("echo:", chat_template=template) as model:
        assert [s.text for s in model.render([Message("user", "Hi")])] == ["[", "Hi", "]"]


def test_an_unknown_template_is_refused_before_anything_is_loaded():
    with pytest.raises(UsageError, match="no chat template 'none'"):
        penstock.load("echo:", chat_template="none")
