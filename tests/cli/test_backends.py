"""`penstock backends`, run as a user runs it."""

from __future__ import annotations


def rows(done):
    return {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.strip()}


def test_every_backend_is_listed_with_its_formats_plugin_and_state(penstock):
    listed = rows(penstock("backends"))
    assert listed["Backend"] == ["Backend", "Formats", "Plugin", "State"]
    assert listed["llamacpp"][1:4] == ["gguf", "llamacpp", "loaded"]
    assert listed["echo-blocking"][1:4] == ["none", "echo", "loaded"]


def test_a_broken_plugin_is_explained_and_the_others_are_there(penstock, broken_plugin):
    done = penstock("backends", env=broken_plugin)
    assert done.returncode == 0
    assert "echo" in rows(done)
    line = next(line for line in done.stdout.splitlines() if "shattered" in line)
    assert "broken" in line
    assert "ModuleNotFoundError: No module named 'glass_that_is_not_there'" in line


def test_a_disabled_plugin_is_listed_with_the_variable_that_did_it(penstock):
    done = penstock("backends", env={"PENSTOCK_DISABLE_PLUGINS": "echo"})
    line = next(line for line in done.stdout.splitlines() if "disabled" in line)
    assert line.split()[2:] == ["echo", "disabled", "in", "PENSTOCK_DISABLE_PLUGINS"]


def test_an_error_about_a_missing_backend_tells_of_the_broken_plugin(penstock, broken_plugin):
    done = penstock("complete", "x", "-m", "shattered:x", env=broken_plugin)
    assert done.returncode == 3
    assert "plugin 'shattered' is broken: ModuleNotFoundError" in done.stderr
