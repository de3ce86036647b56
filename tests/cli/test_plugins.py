"""`penstock plugins`, run as a user runs it."""

from __future__ import annotations

import json

import penstock as library


def records(done) -> dict[str, dict]:
    return {record["name"]: record for record in json.loads(done.stdout)}


def test_every_plugin_is_listed_with_where_it_is_from_and_what_it_offers(penstock):
    found = records(penstock("plugins", "--json"))
    assert found["echo"] | {"version": "", "offers": []} == {
        "name": "echo", "distribution": "penstock", "version": "", "state": "loaded",
        "reason": "", "offers": [],
    }  # fmt: skip
    assert found["echo"]["version"] == library.__version__
    assert "backend echo-blocking" in found["echo"]["offers"]
    assert found["pocket"]["offers"] == ["source pocket"]
    assert any(offer.endswith(" presets") for offer in found["sources"]["offers"])


def test_broken_and_disabled_plugins_are_listed_with_the_reason(penstock, broken_plugin):
    found = records(
        penstock("plugins", "--json", env=broken_plugin | {"PENSTOCK_DISABLE_PLUGINS": "pocket"})
    )
    assert found["shattered"]["state"] == "broken"
    assert "glass_that_is_not_there" in found["shattered"]["reason"]
    assert found["pocket"]["state"] == "disabled"


def test_a_table_is_for_people(penstock):
    done = penstock("plugins")
    assert done.stdout.split()[:5] == ["Plugin", "Distribution", "Version", "State", "Offers"]
    assert any(line.startswith("llamacpp ") for line in done.stdout.splitlines())
