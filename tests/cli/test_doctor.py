"""`penstock doctor`, run as a user runs it."""

from __future__ import annotations

import platform


def test_all_that_is_well_gives_status_0(penstock):
    done = penstock("doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("All is well.\n")
    assert "WRONG" not in done.stdout


def test_python_plugins_and_engines_are_looked_at(penstock):
    said = penstock("doctor").stdout
    assert platform.python_version() in said
    assert "plugin pocket" in said
    assert "llamacpp: llama.cpp" in said
    assert "default model" in said


def test_a_broken_plugin_is_wrong_and_the_status_tells(penstock, broken_plugin):
    done = penstock("doctor", env=broken_plugin)
    assert done.returncode == 3
    assert "1 of " in done.stdout.splitlines()[-1]
    wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert len(wrong) == 1
    assert "plugin shattered" in wrong[0]
    assert "(shattered 1.0)" in wrong[0]
