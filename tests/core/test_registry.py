"""The registry: what a target means, and which backend it gets."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest
from penstock import (
    Backend,
    BackendDeclaration,
    PresetDeclaration,
    SourceDeclaration,
    hookimpl,
)
from penstock.errors import (
    LoadError,
    ModelNotFound,
    PluginError,
    UnknownBackend,
    UnknownSource,
    UsageError,
)
from penstock.plugins import discover
from penstock.registry import Registry, Target
from penstock.testing.echo import EchoBackend


def nowhere(rest: str) -> Path:
    return Path("/nowhere") / rest


def failing(rest: str) -> Path:
    raise OSError(f"no network for {rest}")


class Unmakable(Backend):
    def __init__(self) -> None:
        raise RuntimeError("no licence")

    async def load(self, spec, progress): ...


class Panic(BaseException):
    """What a library of another language fails with."""


class Panicking(Backend):
    def __init__(self) -> None:
        raise Panic("no device")

    async def load(self, spec, progress): ...


def backend(name: str, factory: str = "penstock.testing.echo:EchoBackend", **more: object):
    return BackendDeclaration(name=name, factory=factory, **more)


def source(scheme: str, resolve: str = "made_sources:nowhere", **more: object):
    return SourceDeclaration(scheme=scheme, resolve=resolve, **more)


@pytest.fixture
def registry(monkeypatch):
    """Make a registry of plugins, each given as the declarations it returns."""
    functions = ModuleType("made_sources")
    functions.nowhere, functions.failing, functions.Unmakable = nowhere, failing, Unmakable
    functions.Panicking = Panicking
    monkeypatch.setitem(sys.modules, "made_sources", functions)

    def make(**plugins: object) -> Registry:
        return Registry(*discover([entry(name, offer) for name, offer in plugins.items()], {}))

    def entry(name: str, offer: object) -> EntryPoint:
        module = ModuleType(f"made_{name}")
        module.penstock_backends = hookimpl(lambda: _only(offer, BackendDeclaration))
        module.penstock_sources = hookimpl(lambda: _only(offer, SourceDeclaration))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return EntryPoint(name, module.__name__, "penstock")

    return make


@pytest.fixture
def plain(monkeypatch):
    """Make a registry of one plugin, whose hook for backends is this."""

    def make(hook) -> Registry:
        module = ModuleType("made_plain")
        module.penstock_backends = hookimpl(hook)
        monkeypatch.setitem(sys.modules, "made_plain", module)
        return Registry(*discover([EntryPoint("plain", "made_plain", "penstock")], {}))

    return make


def _only(offer, kind):
    if isinstance(offer, BaseException):
        raise offer
    other = SourceDeclaration if kind is BackendDeclaration else BackendDeclaration
    return [declared for declared in offer if not isinstance(declared, other)]


@pytest.fixture
def three(registry) -> Registry:
    return registry(mine=[backend("alpha", formats=("bin",)), backend("beta"), source("box")])


# targets


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("alpha:/models/x.bin", Target("alpha", None, "/models/x.bin")),
        ("alpha:", Target("alpha", None, "")),
        ("box:", Target(None, "box", "")),
        ("box:a/b:c", Target(None, "box", "a/b:c")),
        ("alpha:box:a", Target("alpha", "box", "a")),
        ("alpha:beta:x", Target("alpha", None, "beta:x")),
        ("alpha:model:7b", Target("alpha", None, "model:7b")),
        ("/models/x.bin", Target(None, None, "/models/x.bin")),
        ("./odd:name.bin", Target(None, None, "./odd:name.bin")),
        (r"C:\models\x.bin", Target(None, None, r"C:\models\x.bin")),
    ],
)
def test_a_target_is_taken_apart(three, text, target):
    assert three.parse(text) == target


def test_a_file_with_a_colon_in_its_name_is_a_file(three, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gamma:x.bin").touch()
    assert three.parse("gamma:x.bin") == Target(None, None, "gamma:x.bin")


def test_an_unknown_backend_is_answered_with_the_nearest(three):
    with pytest.raises(UnknownBackend, match=r"'alhpa'.*Did you mean 'alpha'\?.*alpha, beta"):
        three.parse("alhpa:x")


def test_an_unknown_source_is_answered_with_the_nearest(three):
    with pytest.raises(UnknownSource, match=r"Did you mean 'box'\?"):
        three.parse("bxo:x")


def test_a_name_like_no_other_gets_the_list(three):
    said = r"^[^?]*\. Is its plugin installed\? Sources here: .*Backends here: alpha, beta$"
    with pytest.raises(UnknownBackend, match=said):
        three.backend("zzz")


def test_the_source_of_a_target_is_all_but_its_backend(three):
    assert three.parse("alpha:box:a:b").source == "box:a:b"
    assert three.parse("alpha:/x").source == "/x"


# files and sources


def test_a_path_is_resolved_to_itself(three, tmp_path):
    file = tmp_path / "x.bin"
    file.touch()
    assert three.resolve(three.parse(str(file))) == file


def test_a_missing_file_without_a_backend_is_not_found(three):
    with pytest.raises(ModelNotFound, match=r"'/models/gone\.bin'"):
        three.resolve(three.parse("/models/gone.bin"))


@pytest.mark.parametrize("text", ["x" * 10_000, "~nobody-of-this-name/x.bin"])
def test_a_path_that_cannot_be_looked_at_is_not_found(three, text):
    with pytest.raises(ModelNotFound, match="cannot look for"):
        three.resolve(three.parse(text))


@pytest.mark.parametrize("text", ["alpha:", "alpha:some-model-id"])
def test_what_is_no_file_may_be_an_id_that_the_backend_knows(three, text):
    assert three.resolve(three.parse(text)) is None


def test_a_scheme_is_resolved_by_its_source(three):
    assert three.resolve(three.parse("box:a/b")) == Path("/nowhere/a/b")


def test_a_source_that_fails_is_a_load_error_with_its_cause(registry):
    found = registry(mine=[source("box", "made_sources:failing")])
    with pytest.raises(LoadError, match="source 'box' failed at 'a'.*no network") as caught:
        found.resolve(found.parse("box:a"))
    assert isinstance(caught.value.__cause__, OSError)


def test_a_source_that_cannot_be_imported_is_a_plugin_error(registry):
    found = registry(mine=[source("box", "made_sources:gone")])
    with pytest.raises(PluginError, match="source 'box' cannot be imported"):
        found.resolve(found.parse("box:a"))


def test_the_default_is_the_source_that_says_so(registry):
    found = registry(a=[source("one")], b=[source("two", default=True)])
    assert found.default_target() == "two:"


def test_without_a_default_a_model_must_be_named(three):
    with pytest.raises(UsageError, match="no plugin offers a default. Name one, or set `default`"):
        three.default_target()


# backends


def test_a_backend_is_made_of_its_declaration(three):
    assert isinstance(three.backend("alpha"), EchoBackend)


def test_the_plugin_of_a_backend_is_known(three):
    assert three.origins == {"alpha": "mine", "beta": "mine"}


def test_the_format_of_a_file_chooses_the_backend_of_the_highest_priority(registry):
    found = registry(
        a=[backend("low", formats=("bin",), priority=1)],
        b=[backend("high", formats=("bin", "x"), priority=2)],
        c=[backend("other", formats=("x",), priority=9)],
    )
    assert found.backend_for(Path("MODEL.BIN")) == "high"


@pytest.mark.parametrize(
    ("name", "said"), [("x.exe", "like 'x.exe'. Install one"), ("model", "'model' does")]
)
def test_a_file_that_no_backend_loads_is_answered_with_how_to_name_one(three, name, said):
    with pytest.raises(UnknownBackend, match=f"{said}.*'<backend>:{name}'"):
        three.backend_for(Path(name))


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("module_that_is_not_there:X", "cannot be imported"),
        ("penstock.testing.echo:Gone", "cannot be imported"),
        ("penstock.testing.echo:TEMPLATE", "is not callable"),
        ("penstock.testing.echo:EchoOptions", "is no penstock.Backend"),
        ("made_sources:Unmakable", "cannot be made: RuntimeError"),
    ],
)
def test_a_factory_that_makes_no_backend_is_a_plugin_error(registry, factory, said):
    found = registry(mine=[backend("bad", factory)])
    with pytest.raises(PluginError, match=f"backend 'bad'.*{said}"):
        found.backend("bad")


# plugins


def test_a_hook_that_fails_breaks_its_plugin_and_no_other(registry):
    found = registry(bad=RuntimeError("boom"), good=[backend("fine")])
    assert set(found.backends) == {"fine"}
    states = {record.name: (record.state, record.reason) for record in found.records}
    assert states["good"] == ("loaded", "")
    assert states["bad"][0] == "broken"
    assert "boom" in states["bad"][1]


def test_an_error_about_a_missing_backend_tells_of_broken_plugins(registry):
    found = registry(bad=RuntimeError("boom"), good=[backend("fine")])
    with pytest.raises(UnknownBackend, match="plugin 'bad' is broken: .*boom"):
        found.backend("bad")


def test_the_second_plugin_with_a_name_already_taken_is_broken(registry):
    found = registry(a=[backend("same", "first:X")], b=[backend("same", "second:X")])
    assert len(found.backends) == 1
    assert sorted(record.state for record in found.records) == ["broken", "loaded"]


def test_a_hook_that_returns_something_else_breaks_its_plugin(registry):
    found = registry(bad=["llm"])
    assert found.records[0].state == "broken"
    assert "returned 'llm', not " in found.records[0].reason


def test_more_presets_win_over_those_of_plugins_and_leave_the_registry_as_it_was(three):
    more = three.with_presets([PresetDeclaration(name="tale", target="box:a")])
    assert more.parse("tale") == Target(None, "box", "a")
    assert three.parse("tale") == Target(None, None, "tale")
    assert more.backends is three.backends


def test_a_preset_may_name_a_backend_which_gives_way_to_one_that_is_asked_for(three):
    more = three.with_presets(
        [
            PresetDeclaration(name="tale", target="alpha:box:a"),
            PresetDeclaration(name="far", target="beta:some-model"),
        ]
    )
    assert more.parse("tale") == more.parse("alpha:tale") == Target("alpha", "box", "a")
    assert more.parse("far") == Target("beta", None, "some-model")
    assert more.parse("alpha:far") == Target("alpha", None, "some-model")


def test_the_readers_of_a_format_are_known_without_a_file(three):
    assert three.readers(".bin") == three.readers("bin") == three.backends_for(Path("x.bin"))
    assert three.readers("") == []


@pytest.mark.parametrize("error", [SystemExit("enough"), Panic("enough")])
def test_a_hook_that_ends_or_panics_breaks_its_plugin_and_no_other(registry, error):
    found = registry(bad=error, good=[backend("fine")])
    assert set(found.backends) == {"fine"}
    assert found.records[0].reason == f"penstock_sources: {type(error).__name__}: enough"


def test_what_a_plugin_offers_beside_a_name_already_taken_is_there(registry):
    found = registry(a=[backend("same")], b=[backend("same"), backend("other")])
    assert found.origins == {"same": "a", "other": "b"}
    assert found.records[1].reason == "penstock_backends: 'same' is offered by plugin 'a' already"


@pytest.mark.parametrize("returned", [None, backend("alone")], ids=["None", "no list"])
def test_a_hook_that_returns_no_list_is_told_what_to_return(returned, plain):
    (record,) = plain(lambda: returned).records
    assert record.state == "broken"
    assert f"returned {returned!r}. Return a list of BackendDeclaration" in record.reason


def test_a_source_that_a_backend_hides_is_told_of_and_there_behind_a_backend(registry):
    found = registry(a=[backend("box")], b=[source("box"), source("chest")])
    assert found.records[1].state == "loaded"
    assert found.records[1].reason == (
        "'box:' means the backend of plugin 'a'; for the source, write '<backend>:box:…'"
    )
    assert found.parse("box:box:x") == Target("box", "box", "x")


def test_a_plugin_may_offer_a_backend_and_a_source_of_one_name(registry):
    assert registry(a=[backend("box"), source("box")]).records[0].reason == ""


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: backend(None), "name=None.*a text"),
        (lambda: backend(""), "name=''.*two signs or more"),
        (lambda: backend("c"), "name='c'.*two signs or more"),
        (lambda: backend("my:own"), "name='my:own'.*none of them a colon"),
        (lambda: backend("my own"), "name='my own'.*none of them a colon or a space"),
        (lambda: backend("mine", EchoBackend), "factory=<class.*a text"),
        (lambda: backend("mine", formats="bin"), r"formats='bin'.*a tuple, such as \(\"gguf\",\)"),
        (lambda: backend("mine", formats=None), "formats=None.*a tuple"),
        (lambda: backend("mine", formats=(".bin",)), "'mine' has the format '.bin'.*without a dot"),
        (lambda: backend("mine", formats=("BIN",)), "'mine' has the format 'BIN'.*small letters"),
        (lambda: backend("mine", formats=(3,)), "'mine' has the format 3"),
        (lambda: backend("mine", priority="high"), "priority='high'.*a whole number"),
        (lambda: backend("mine", summary=None), "summary=None.*a text"),
        (lambda: source("a:b"), "scheme='a:b'.*none of them a colon"),
        (lambda: source("box", default="yes"), "default='yes'.*True or False"),
        (lambda: PresetDeclaration(name="tale", target=None), "target=None.*a text"),
    ],
)
def test_a_declaration_of_what_cannot_be_breaks_its_plugin_with_field_and_value(made, said, plain):
    with pytest.raises(PluginError, match=said):
        made()
    (record,) = plain(lambda: [made()]).records
    assert record.state == "broken"
    assert record.reason.startswith("penstock_backends: ")


def test_a_backend_whose_library_panics_is_a_plugin_error(registry):
    found = registry(mine=[backend("bad", "made_sources:Panicking")])
    with pytest.raises(PluginError, match="backend 'bad' cannot be made: Panic"):
        found.backend("bad")


@pytest.mark.parametrize("kind", ["SystemExit", "BaseException"])
def test_a_backend_whose_module_ends_or_panics_is_a_plugin_error(
    registry, kind, tmp_path, monkeypatch
):
    (tmp_path / f"engine_of_{kind}.py").write_text(f"raise {kind}('no driver')")
    monkeypatch.syspath_prepend(tmp_path)
    found = registry(mine=[backend("bad", f"engine_of_{kind}:X")])
    with pytest.raises(PluginError, match=f"cannot be imported from 'engine_of_{kind}:X'.*no dri"):
        found.backend("bad")
