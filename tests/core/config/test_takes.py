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


class Bare:
    """Cannot be read into."""


class Unbound:
    def of(self, options): ...


class Listed(Demanding):
    SYNONYMS: ClassVar[list[str]] = ["address"]


class Astray(Demanding):
    SYNONYMS: ClassVar[Mapping[str, str]] = {"address": "uri"}


@dataclass(frozen=True)
class Mysterious:
    depth: "so deep" = 0  # noqa: F722  # as a careless author writes it

    @classmethod
    def of(cls, options):
        return cls(**options)


@pytest.fixture
def audited(monkeypatch):
    """Make a registry with one backend whose options are this; audit one model of it."""

    def make(options: str, said: dict[str, object]) -> tuple[list[str], Registry, Config]:
        module = ModuleType("made_plugin")
        module.make = Recording
        for made in (Demanding, Careless, Bare, Unbound, Listed, Astray, Mysterious):
            setattr(module, made.__name__, made)
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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("made_plugin:Gone", "cannot be imported from 'made_plugin:Gone': AttributeError("),
        ("made_panic:Options", "cannot be imported from 'made_panic:Options': BaseException("),
        ("made_plugin:Bare", "'made_plugin:Bare' has no classmethod of(mapping): "),
        ("made_plugin:Unbound", "'made_plugin:Unbound' has no classmethod of(mapping): "),
        ("made_plugin:Listed", "'made_plugin:Listed' has SYNONYMS = ['address']"),
        ("made_plugin:Astray", "'made_plugin:Astray' has SYNONYMS = {'address': 'uri'}"),
    ],
)
async def test_a_class_that_cannot_be_asked_is_the_plugins_fault_and_hurts_no_other(
    audited, options, said, tmp_path, monkeypatch
):
    (tmp_path / "made_panic.py").write_text("raise BaseException('no driver')")
    monkeypatch.syspath_prepend(tmp_path)
    problems, registry, config = audited(options, {"a": 1})
    assert len(problems) == 1
    assert problems[0].startswith("config: models.m: the options of 'mine'")
    assert said in problems[0]
    with pytest.raises(PluginError, match="the options of 'mine'"):
        await penstock.load("m", config=config, registry=registry).__aenter__()
    shown = as_tree(config, Auditor(config, registry))
    assert shown["models"]["m"]["options"] == {"a": 1}
    Draft202012Validator(json_schema(registry)).validate({"models": {"m": {"a": 1}}})
    other = Config.of({"models": {"other": {"source": "x.unread", "n": 1}}})
    assert Auditor(other, registry).problems() == []


def test_an_annotation_that_is_no_expression_is_no_fault(audited):
    problems, registry, _ = audited("made_plugin:Mysterious", {"depth": 1})
    assert problems == []
    assert json_schema(registry)
