"""`penstock doctor`, run as a user runs it."""

from __future__ import annotations

import os
import platform

import pytest

BACKEND = """
from penstock import Backend, BackendDeclaration, hookimpl

class Odd(Backend):
    async def load(self, spec, progress): ...
    def diagnose(self):
        {diagnose}

@hookimpl
def penstock_backends():
    return [BackendDeclaration(name="odd", factory="odd:Odd", options="{options}")]
"""


@pytest.fixture
def installed(tmp_path):
    """Install a plugin of this text, for a process with the environment that is returned."""

    def install(text: str) -> dict[str, str]:
        info = tmp_path / "odd-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[penstock]\nodd = odd\n")
        (tmp_path / "odd.py").write_text(text)
        found = os.environ.get("PYTHONPATH", "")
        return {"PYTHONPATH": f"{tmp_path}{os.pathsep}{found}".rstrip(os.pathsep)}

    return install


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


@pytest.mark.parametrize(
    ("diagnose", "said"),
    [
        ("yield 'fine'", "diagnose() yielded 'fine', which is no Finding"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("raise BaseException('panic')", "BaseException: panic"),
        ("return None", "TypeError: 'NoneType' object is not iterable"),
    ],
)
def test_a_backend_that_cannot_say_how_it_is_is_wrong_and_hides_no_other(
    penstock, installed, diagnose, said
):
    done = penstock("doctor", env=installed(BACKEND.format(diagnose=diagnose, options="")))
    assert done.returncode == 3
    wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert len(wrong) == 1
    assert "backend odd" in wrong[0]
    assert said in wrong[0]
    assert "llamacpp: llama.cpp" in done.stdout


def test_options_that_cannot_be_read_are_wrong_though_nothing_is_configured(penstock, installed):
    text = BACKEND.format(diagnose="return iter(())", options="odd:Gone")
    done = penstock("doctor", env=installed(text))
    assert done.returncode == 3
    assert "the options of 'odd' cannot be imported from 'odd:Gone'" in done.stdout


def test_presets_that_fail_are_wrong(penstock, installed):
    hook = "@hookimpl\ndef penstock_presets(): raise OSError('no list')"
    done = penstock("doctor", env=installed(f"from penstock import hookimpl\n{hook}"))
    assert done.returncode == 3
    assert "broken: penstock_presets: OSError: no list" in done.stdout
