"""`penstock pull`, run as a user runs it; what it downloads is tested with the sources."""

from __future__ import annotations


def test_what_is_here_is_answered_with_its_path(penstock):
    done = penstock("pull", "pocket:")
    assert done.returncode == 0
    assert done.stdout.endswith("pocket.gguf\n")
    assert done.stderr == ""


def test_what_names_no_file_is_a_usage_error(penstock):
    done = penstock("pull", "echo:some-model")
    assert done.returncode == 2
    assert "names nothing to download. Name a preset" in done.stderr


def test_a_name_that_is_nearly_a_preset_is_answered_with_it(penstock):
    done = penstock("pull", "qwen3-06b")
    assert done.returncode == 4
    assert "Did you mean 'qwen3-0.6b'" in done.stderr
