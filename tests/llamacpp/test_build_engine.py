"""The build script: what it asks the compiler, when it builds, and what it says."""

from __future__ import annotations

import importlib.util
import io
import shutil
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "backends/llamacpp/build_engine.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("build_engine", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


LOST = """
configure:
        pushq   %rbp
        movdqu  (%rdi), %xmm0
        movaps  %xmm0, -64(%rsp)
        ldtilecfg       -64(%rsp)
"""
KEPT_XMM = """
        movaps  %xmm0, (%rsp)
        movups  16(%rdi), %xmm0
        movaps  %xmm0, 16(%rsp)
        movaps  %xmm0, 32(%rsp)
        movaps  %xmm0, 48(%rsp)
        ldtilecfg       (%rsp)
"""
KEPT_YMM = """
        vmovdqa %ymm0, -64(%rbp)
        vmovdqu %ymm1, -32(%rbp)
        ldtilecfg       -64(%rbp)
"""
KEPT_WORDS = (
    "".join(f"\tmovq\t%rax, {at}(%rsp)\n" for at in range(0, 64, 8)) + "\tldtilecfg\t(%rsp)"
)
TWICE_THE_SAME = "\tmovaps\t%xmm0, (%rsp)\n" * 4 + "\tldtilecfg\t(%rsp)"
LOADS_ONLY = (
    "".join(f"\tmovups\t{at}(%rsp), %xmm0\n" for at in range(0, 64, 16)) + "\tldtilecfg\t(%rsp)"
)
COPIED = "\tcall\tmemcpy\n\tldtilecfg\t(%rsp)"
REPEATED = "\trep movsq\n\tldtilecfg\t(%rsp)"
GIVEN = "\tldtilecfg\t(%rdi)"
AFTER = "\tldtilecfg\t(%rsp)\n" + KEPT_XMM.partition("ldtilecfg")[0]
NOTHING = "\tret"


@pytest.mark.parametrize("assembly", [LOST, TWICE_THE_SAME, LOADS_ONLY, AFTER])
def test_a_tile_configuration_that_is_not_written_is_seen(script, assembly: str) -> None:
    assert script.drops_stores(assembly)


@pytest.mark.parametrize(
    "assembly", [KEPT_XMM, KEPT_YMM, KEPT_WORDS, COPIED, REPEATED, GIVEN, NOTHING]
)
def test_a_tile_configuration_that_is_written_passes(script, assembly: str) -> None:
    assert not script.drops_stores(assembly)


def compiler(tmp_path: Path, assembly: str, status: int = 0) -> str:
    path = tmp_path / "c++"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{assembly}\nEND\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


def test_amx_is_left_out_only_for_a_compiler_that_breaks_it(
    script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for assembly, status, flags in [(LOST, 0, script.NO_AMX), (KEPT_XMM, 0, ()), (LOST, 1, ())]:
        monkeypatch.setenv("CXX", compiler(tmp_path, assembly, status))
        assert script.survey("1.0").flags == flags


@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
def test_the_compiler_here_can_be_asked(script) -> None:
    assert script.loses_tile_configuration(["c++"]) in (True, False)


def test_without_a_compiler_it_says_what_to_install(script, monkeypatch, capsys) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(script, "installed_release", lambda: None)
    assert script.main(["--into", "unused"]) == 1
    assert "apt install g++" in capsys.readouterr().out


def recipe(script, **changes: object):
    values = {"release": "1.0", "compiler": "gcc 12", "cpu": "cpu"} | changes
    return script.Recipe(**values)


def test_the_key_changes_with_everything_that_matters(script) -> None:
    keys = {
        recipe(script, **change).key
        for change in [
            {},
            {"release": "1.1"},
            {"compiler": "gcc 13"},
            {"cpu": "other"},
            {"flags": ("-x",)},
            {"environment": (("CMAKE_ARGS", "-DGGML_CUDA=on"),)},
        ]
    }
    assert len(keys) == 6
    assert recipe(script).key == recipe(script).key


def test_flags_are_added_to_the_users(script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-O1")
    monkeypatch.delenv("CXXFLAGS", raising=False)
    found = recipe(script, flags=("-a", "-b")).variables()
    assert (found["CFLAGS"], found["CXXFLAGS"]) == ("-O1 -a -b", "-a -b")


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("llama-cpp-python==0.3.36\n", "0.3.36"),
        ("anyio==4\nllama_cpp_python == 0.3.37 ; python_version > '3'  # why\n", "0.3.37"),
    ],
)
def test_the_release_is_the_one_pinned(script, tmp_path: Path, text: str, release: str) -> None:
    file = tmp_path / "constraints.txt"
    file.write_text(text)
    assert script.pinned(file) == release


def test_a_wheel_is_recognised_by_where_it_was_installed_from(script, monkeypatch) -> None:
    class Distribution:
        def read_text(self, _name: str) -> str:
            return '{"url": "file:///home/a%20b/wheels/key/x.whl"}'

    monkeypatch.setattr("importlib.metadata.distribution", lambda _name: Distribution())
    assert script.installed_from() == Path("/home/a b/wheels/key")
    monkeypatch.setattr(Distribution, "read_text", lambda *_: None)
    assert script.installed_from() == Path("/")


def test_a_constraint_without_the_release_is_an_error(script, tmp_path: Path) -> None:
    file = tmp_path / "constraints.txt"
    file.write_text("anyio==4\n")
    with pytest.raises(script.BuildError, match="does not pin"):
        script.pinned(file)


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        ("  [57/230] Building CXX object", "compiling 57/230"),
        ("[ 12%] Building C object", "compiling 12 %"),
        ("*** Configuring CMake...", "configuring"),
        ("Collecting llama-cpp-python", None),
    ],
)
def test_progress_is_read_from_the_output(script, line: str, phase: str | None) -> None:
    assert script.phase_of(line) == phase


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_rewrites_one_line_on_a_terminal(script) -> None:
    stream = Terminal()
    progress = script.Progress(stream)
    progress._every = 0.0
    progress.show("compiling 1/2")
    progress.show("compiling 2/2")
    progress.close()
    assert stream.getvalue().count("\r\x1b[K") == 3
    assert "\n" not in stream.getvalue()


def test_progress_elsewhere_is_a_line_now_and_then(script) -> None:
    stream = io.StringIO()
    progress = script.Progress(stream, every=0.0)
    progress.show("compiling 1/2")
    slow = script.Progress(stream, every=99.0)
    slow.show("compiling 2/2")
    slow.close()
    assert stream.getvalue() == "  compiling 1/2 (0 s)\n"


def test_a_failing_build_shows_the_end_of_its_log(
    script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "; ".join(f"print('line {number}')" for number in range(100))
    monkeypatch.setattr(script, "pip", lambda: [sys.executable, "-c", f"{lines}; exit(3)"])
    with pytest.raises(script.BuildError, match=r"(?s)build\.log.*line 99") as caught:
        script.build(recipe(script), tmp_path / "wheels")
    assert "line 10\n" not in str(caught.value)
    assert "line 10\n" in (tmp_path / "wheels" / "build.log").read_text()


@pytest.fixture
def environment(script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An environment where nothing is installed, and building is a note in a list."""
    done: list[str] = []

    def build(recipe, folder: Path) -> Path:
        done.append("build")
        folder.mkdir(parents=True)
        (folder / "x.whl").touch()
        return folder / "x.whl"

    def pip_install(wheel: Path, release: str, _constraint: object, folder: Path) -> None:
        done.append("install")
        monkeypatch.setattr(script, "installed_from", lambda: folder)
        monkeypatch.setattr(script, "installed_release", lambda: release)

    monkeypatch.setattr(script, "installed_from", lambda: Path("/"))
    monkeypatch.setattr(script, "installed_release", lambda: None)
    monkeypatch.setattr(script, "build", build)
    monkeypatch.setattr(script, "pip_install", pip_install)
    monkeypatch.setattr(script, "probe", lambda _model: None)
    monkeypatch.setenv("CXX", compiler(tmp_path, NOTHING))
    return done


def test_it_builds_once_and_installs_what_it_built(
    script, environment: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into = ["--into", str(tmp_path / "wheels")]
    assert script.main(into) == 0
    assert script.main(into) == 0
    assert environment == ["build", "install"]
    monkeypatch.setattr(script, "installed_release", lambda: None)
    monkeypatch.setattr(script, "installed_from", lambda: Path("/"))
    assert script.main(into) == 0
    assert environment == ["build", "install", "install"]


def test_it_builds_again_when_the_compiler_changes(
    script, environment: list[str], tmp_path: Path
) -> None:
    into = ["--into", str(tmp_path / "wheels")]
    script.main(into)
    compiler(tmp_path, "other")
    script.main(into)
    assert environment == ["build", "install"] * 2


def test_a_build_of_someone_else_is_kept_while_it_runs(
    script, environment: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "installed_release", lambda: script.DEFAULT_RELEASE)
    assert script.main(["--into", str(tmp_path / "wheels")]) == 0
    assert environment == []
    faults = iter(["it crashed (SIGSEGV)", None])
    monkeypatch.setattr(script, "probe", lambda _model: next(faults))
    assert script.main(["--into", str(tmp_path / "wheels")]) == 0
    assert environment == ["build", "install"]


def test_a_build_that_crashes_is_told(
    script, environment: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(script, "probe", lambda _model: "it crashed (SIGSEGV) on a tiny model")
    assert script.main(["--into", str(tmp_path / "wheels")]) == 1
    assert "does not run: it crashed (SIGSEGV)" in capsys.readouterr().out
