"""Discovery: which plugins are loaded, and what is known of those that are not."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest
from penstock.plugins import discover

GROUP = "penstock"


@pytest.fixture
def plugin(monkeypatch):
    """Make a plugin, of a module that exists only here; returns its entry point."""

    def make(name: str, **members: object) -> EntryPoint:
        module = ModuleType(f"made_{name}")
        for member, value in members.items():
            setattr(module, member, value)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return EntryPoint(name, module.__name__, GROUP)

    return make


def states(entries, **environ):
    _, records = discover(entries, environ)
    return {record.name: record.state for record in records}


def test_every_plugin_is_loaded_and_recorded_by_name(plugin):
    manager, records = discover([plugin("b"), plugin("a")], {})
    assert [(record.name, record.state) for record in records] == [("a", "loaded"), ("b", "loaded")]
    assert manager.has_plugin("a")


def test_a_plugin_that_cannot_be_imported_is_broken_and_hurts_no_other(plugin):
    broken = EntryPoint("broken", "module_that_is_not_there", GROUP)
    manager, records = discover([broken, plugin("fine")], {})
    assert [record.state for record in records] == ["broken", "loaded"]
    assert "ModuleNotFoundError" in records[0].reason
    assert manager.has_plugin("fine")


def test_a_hook_of_the_wrong_shape_breaks_its_plugin_only(plugin):
    from penstock import hookimpl

    @hookimpl
    def penstock_backends(unexpected: int):
        return ()

    found = states([plugin("odd", penstock_backends=penstock_backends), plugin("fine")])
    assert found == {"fine": "loaded", "odd": "broken"}


def test_two_plugins_of_one_name_are_both_broken(plugin):
    twins = [plugin("twin"), EntryPoint("twin", "made_twin", GROUP)]
    _, records = discover(twins, {})
    assert [record.state for record in records] == ["broken", "broken"]
    assert "several distributions offer a plugin named 'twin'. Uninstall" in records[0].reason


def test_the_allow_list_acts_before_import(monkeypatch, plugin):
    sentinel = EntryPoint("late", "module_that_is_not_there", GROUP)
    entries = [plugin("wanted"), sentinel]
    assert states(entries, PENSTOCK_PLUGINS=" wanted ,") == {"late": "disabled", "wanted": "loaded"}


def test_an_empty_allow_list_allows_nothing(plugin):
    assert states([plugin("a")], PENSTOCK_PLUGINS="") == {"a": "disabled"}


def test_the_deny_list_acts_before_import(plugin):
    entries = [plugin("a"), EntryPoint("bad", "module_that_is_not_there", GROUP)]
    assert states(entries, PENSTOCK_DISABLE_PLUGINS="bad") == {"a": "loaded", "bad": "disabled"}


def test_denied_stands_over_allowed(plugin):
    found = states([plugin("a")], PENSTOCK_PLUGINS="a", PENSTOCK_DISABLE_PLUGINS="a")
    assert found == {"a": "disabled"}


def test_a_disabled_plugin_says_by_which_variable(plugin):
    _, (record,) = discover([plugin("a")], {"PENSTOCK_DISABLE_PLUGINS": "a"})
    assert record.reason == "in PENSTOCK_DISABLE_PLUGINS"


def test_installed_plugins_know_their_distribution():
    _, records = discover()
    echo = next(record for record in records if record.name == "echo")
    assert (echo.distribution, echo.state) == ("penstock", "loaded")
    assert echo.version


@pytest.mark.parametrize("kind", ["SystemExit", "BaseException"])
def test_a_plugin_that_ends_or_panics_when_it_is_imported_is_broken_and_ends_nobody(
    kind, tmp_path, monkeypatch
):
    (tmp_path / f"module_of_{kind}.py").write_text(f"raise {kind}('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    _, records = discover([EntryPoint("ends", f"module_of_{kind}", GROUP)], {})
    assert (records[0].state, records[0].reason) == ("broken", f"{kind}: no licence")


def test_one_module_under_two_names_is_one_plugin(plugin):
    first = plugin("first")
    _, records = discover([first, EntryPoint("second", first.value, GROUP)], {})
    assert [record.state for record in records] == ["loaded", "broken"]
    assert records[1].reason == "'made_first' is plugin 'first' already"
