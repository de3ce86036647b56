"""A wrong file is refused with everything that is wrong in it, each thing with its place."""

from __future__ import annotations

import penstock
import pytest
from penstock.config import Config
from penstock.errors import ConfigError
from penstock.problem import Problem

from .wrong import CASES, CLOUD, LOCAL


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_file_is_told_with_line_key_value_and_hint(name, write, look):
    text, expected = CASES[name]
    write(text)
    assert look() == expected


def test_there_are_sixty_of_them_and_more():
    assert len(CASES) > 60
    assert len({tuple(expected) for _, expected in CASES.values()}) > 60


@pytest.mark.parametrize("text", [LOCAL, CLOUD, LOCAL + CLOUD, "", "# nothing\n"])
def test_what_the_wrong_files_are_made_from_is_right(text, write, look):
    write(text)
    assert look() == []


def test_the_problems_of_all_files_and_variables_come_in_one_error(write, user_file, monkeypatch):
    user_file.write_text("unsupported = 1\n")
    write('[tool.penstock]\ndefault = ""\n', "pyproject.toml")
    write("zzz = 1\nsampling.top_k = -1\n")
    monkeypatch.setenv("PENSTOCK_DEADLINES__IDLE", "soon")
    monkeypatch.setenv("PENSTOCK_MODLES__LOCAL__DEVICE", "cpu")
    with pytest.raises(ConfigError) as caught:
        Config.discovered()
    places = [problem.place for problem in caught.value.problems]
    assert sorted(places) == sorted(
        [
            f"{user_file}:1",
            "pyproject.toml:2",
            "penstock.toml:1",
            "penstock.toml:2",
            "PENSTOCK_DEADLINES__IDLE",
            "PENSTOCK_MODLES__LOCAL__DEVICE",
        ]
    )
    lines = str(caught.value).splitlines()
    assert lines[0] == "6 problems in the configuration"
    assert [line.strip() for line in lines[1:]] == [str(one) for one in caught.value.problems]


def test_what_clashes_with_an_alias_is_told_with_its_place(write, look, monkeypatch):
    """The file alone is right: an error that names only its line would mislead."""
    write(f'{LOCAL}aliases = ["small"]\n')
    monkeypatch.setenv("PENSTOCK_MODELS__SMALL__DEVICE", "cpu")
    assert look() == [
        (
            "penstock.toml:4: models.local.aliases = [\"small\"]: 'small' is the name of "
            "models.small already (at PENSTOCK_MODELS__SMALL__DEVICE)"
        )
    ]


def test_what_clashes_with_an_alias_of_another_file_is_told_with_its_place(write, user_file, look):
    user_file.write_text(f'{LOCAL}aliases = ["small"]\n')
    write(f'{CLOUD}aliases = ["small"]\n[presets]\nlocal = "pocket:"\n')
    assert look() == [
        (
            "penstock.toml:4: models.cloud.aliases = [\"small\"]: 'small' is an alias of "
            f"models.local already (at {user_file}:4)"
        ),
        (
            "penstock.toml:6: presets.local = \"pocket:\": 'local' is what models.local is called "
            f"already (at {user_file}:1)"
        ),
    ]


def test_a_variable_that_is_wrong_is_told_by_its_name(monkeypatch, here):
    monkeypatch.setenv("PENSTOCK_SAMPLING__TEMPRATURE", "0.7")
    monkeypatch.setenv("PENSTOCK_MODELS__LOCAL__UNSUPPORTED", "ignore")
    with pytest.raises(ConfigError) as caught:
        Config.discovered()
    assert [str(problem) for problem in caught.value.problems] == [
        "PENSTOCK_MODELS__LOCAL__UNSUPPORTED = \"ignore\": must be one of 'error', 'warn', 'drop'",
        "PENSTOCK_SAMPLING__TEMPRATURE = 0.7: unknown key (did you mean 'temperature'?)",
    ]


def test_one_problem_is_the_message_itself(write):
    write("zzz = 1\n")
    with pytest.raises(ConfigError, match=r"^penstock\.toml:1: zzz = 1: unknown key \(allowed: "):
        Config.discovered()


def test_a_file_is_named_from_the_working_directory_if_it_is_in_there(write, look, monkeypatch):
    path = write("zzz = 1\n")
    (path.parent / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(path.parent / "deep" / "er")
    assert look()[0].startswith(f"{path}:1: zzz = 1: ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'default = "x"\n\xff\xfe\n', "penstock.toml:2: is no text in UTF-8"),
        (b"a = " + b"[" * 4000 + b"]" * 4000, "penstock.toml: is nested too deeply"),
        (b"a = " + b"9" * 5000, "penstock.toml: is no TOML: Exceeds the limit"),
        (b"a = 1\rb = 2", "penstock.toml:1: is no TOML: "),
    ],
)
def test_a_file_that_cannot_be_read_is_told(content, said, here, look):
    (here / "penstock.toml").write_bytes(content)
    assert look()[0].startswith(said)


def test_a_byte_order_mark_and_line_ends_of_windows_are_read(here, look):
    (here / "penstock.toml").write_bytes(b'\xef\xbb\xbfunsupported = "warn"\r\nzzz = 1\r\n')
    assert [line.split(": ")[0] for line in look()] == ["penstock.toml:2"]


def test_a_path_that_is_named_and_not_there_is_told(here):
    with pytest.raises(ConfigError, match=r"^gone\.toml: cannot be read: No such file"):
        Config.read("gone.toml")


def test_a_problem_has_all_its_parts(write):
    write("sampling = { top_k = -1 }\n")
    with pytest.raises(ConfigError) as caught:
        Config.discovered()
    assert caught.value.problems == (
        Problem(
            where="penstock.toml",
            line=1,
            key="sampling.top_k",
            value="-1",
            what="must be a whole number, 0 for all",
        ),
    )
    assert penstock.Problem is Problem


def test_a_mapping_of_a_program_is_checked_too():
    with pytest.raises(
        ConfigError, match=r"^config: models\.a\.sampling\.seed = -1: must be from 0"
    ):
        Config.of({"models": {"a": {"source": "x", "sampling": {"seed": -1}, "device": None}}})
