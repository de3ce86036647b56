"""What other people's backends declare as their options, and what comes of what they do not."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import ClassVar

import penstock
import pytest
from jsonschema import Draft202012Validator
from penstock import Backend, BackendDeclaration, Registry, hookimpl
from penstock.config import Config
from penstock.config.auditing import Auditor
from penstock.config.choosing import choose
from penstock.config.editors import json_schema
from penstock.config.listing import as_tree
from penstock.errors import PluginError, UsageError
from penstock.plugins import discover
from penstock.secret import Secret
from penstock.testing import EchoEngine

pytestmark = pytest.mark.anyio


class Recording(Backend):
    specs: ClassVar[list[penstock.ModelSpec]] = []

    async def load(self, spec, progress):
        self.specs.append(spec)
        return EchoEngine()


@dataclass(frozen=True)
class Demanding:
    """Where it is.

    url    is needed
    depth  how deep
    """

    SYNONYMS: ClassVar[Mapping[str, str]] = {"address": "url"}

    url: str
    depth: int = 0
    password: Secret | None = None

    @classmethod
    def of(cls, options):
        read = {cls.SYNONYMS.get(name, name): value for name, value in options.items()}
        if "url" not in read:
            raise UsageError("mine needs a url", hint="Such as url = 'x'")
        if not isinstance(read.get("depth", 0), int):
            raise UsageError("the depth is no number", hint="It must be a whole number")
        return cls(**read)


class Careless:
    """Refuses with an error of Python's own, and tells no names."""

    @classmethod
    def of(cls, options):
        return {name: int(value) for name, value in options.items()}


@pytest.fixture
def audited(monkeypatch):
    """Make a registry with one backend whose options are this; audit one model of it."""

    def make(options: str, said: dict[str, object]) -> tuple[list[str], Registry, Config]:
        module = ModuleType("made_plugin")
        module.make, module.Demanding, module.Careless = Recording, Demanding, Careless
        declared = BackendDeclaration(name="mine", factory="made_plugin:make", options=options)
        module.penstock_backends = hookimpl(lambda: [declared])
        monkeypatch.setitem(sys.modules, "made_plugin", module)
        registry = Registry(*discover([EntryPoint("mine", "made_plugin", "penstock")], {}))
        config = Config.of({"models": {"m": {"backend": "mine", **said}}})
        return [str(p) for p in Auditor(config, registry).problems()], registry, config

    return make


async def test_a_backend_that_declares_no_class_takes_anything(audited):
    problems, registry, config = audited("", {"what": 1, "api_key": "k", "options": {"ever": True}})
    assert problems == []
    async with penstock.load("m", config=config, registry=registry):
        pass
    assert Recording.specs[-1].options == {"what": 1, "api_key": Secret("k"), "ever": True}
    Draft202012Validator(json_schema(registry)).validate(
        {"models": {"m": {"backend": "mine", "what": 1, "options": {"ever": True}}}}
    )


def test_an_option_that_is_needed_is_missed_once_and_by_the_model(audited):
    problems, _, _ = audited("made_plugin:Demanding", {"depth": 1})
    assert problems == ["config: models.m: mine needs a url (such as url = 'x')"]


def test_a_wrong_value_beside_one_that_is_needed_is_told(audited):
    problems, _, _ = audited("made_plugin:Demanding", {"address": "x", "depth": "deep"})
    assert problems == ["config: models.m: the depth is no number (it must be a whole number)"]


def test_a_synonym_is_known_and_the_call_wins_under_either_name(audited):
    problems, registry, config = audited("made_plugin:Demanding", {"address": "x"})
    assert problems == []
    assert choose(config, "m", registry).options({"url": "y"}) == {"url": "y"}


def test_a_secret_is_one_by_its_type_whatever_its_name(audited):
    problems, registry, config = audited("made_plugin:Demanding", {"url": "x", "password": "p"})
    assert problems == []
    assert choose(config, "m", registry).options({})["password"] == Secret("p")
    shown = as_tree(config, Auditor(config, registry))["models"]["m"]["options"]
    assert shown == {"url": "x", "password": "***"}


def test_the_nearest_option_of_a_foreign_backend_is_named(audited):
    problems, _, _ = audited("made_plugin:Demanding", {"url": "x", "options": {"dept": 1}})
    assert problems == [
        "config: models.m.options.dept = 1: mine has no such option (did you mean 'depth'?)"
    ]


def test_an_error_of_pythons_own_is_a_refusal_too(audited):
    problems, _, _ = audited("made_plugin:Careless", {"a": 1, "b": "x"})
    assert len(problems) == 1
    assert problems[0].startswith('config: models.m.b = "x": mine does not take it: ValueError(')


def test_a_class_that_is_not_there_is_the_plugins_fault(audited):
    with pytest.raises(PluginError, match="the options of 'mine' cannot be imported from 'made_pl"):
        audited("made_plugin:Gone", {"a": 1})
