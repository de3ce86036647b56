"""`penstock config`, run as a user runs it."""

from __future__ import annotations

import json
import subprocess
import tomllib

import pytest

from .conftest import COMMAND, SECONDS, environment

FILE = """\
default = "local"
sampling = { temperature = 0.5 }

[models.local]
backend = "echo"
aliases = ["l"]
burst = 2

[models.cloud]
backend = "openai"
model = "some-model"
api_key = "sk-canary-0123456789"

[models.child]
extends = "cloud"
"""
CANARY = "sk-canary"


@pytest.fixture
def run(tmp_path):
    """Run the command in a folder with a penstock.toml."""
    (tmp_path / "penstock.toml").write_text(FILE)
    (tmp_path / "penstock.toml").chmod(0o600)

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=tmp_path,
            env=environment({"XDG_CONFIG_HOME": str(tmp_path / "home"), **variables}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    return run


def test_check_says_that_all_is_well_and_warns_of_plain_secrets(run):
    done = run("config", "check")
    assert (done.returncode, done.stdout) == (0, "penstock.toml: all is well, 3 models\n")
    assert done.stderr == (
        'warning: penstock.toml:12: models.cloud.api_key = "***": a secret in plain text '
        '(write api_key = { env = "NAME" }, or name a file, a keyring or a command)\n'
    )


def test_check_warns_of_a_model_whose_file_is_not_there(run, tmp_path):
    (tmp_path / "penstock.toml").write_text(
        '[models.a]\nsource = "gone.gguf"\n[models.b]\nextends = "a"\n'
        '[models.c]\nbackend = "llamacpp"\nsource = "penstock.toml"\n'
        '[models.d]\nsource = "hf:owner/repo"\n[models.e]\nbackend = "openai"\nmodel = "gone"\n'
    )
    done = run("config", "check")
    assert (done.returncode, done.stdout) == (0, "penstock.toml: all is well, 5 models\n")
    assert done.stderr == (
        'warning: penstock.toml:2: models.a.source = "gone.gguf": there is no such file '
        "(a download has a scheme, as hf:)\n"
    )


def test_check_warns_of_variables_that_look_as_if_they_were_meant(run):
    done = run("config", "check", PENSTOCK_MODLE="local", PENSTOCK_SOMETHING_ELSE="1")
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == (
        "warning: PENSTOCK_MODLE: nobody reads this variable (did you mean PENSTOCK_MODEL?)"
    )
    assert "SOMETHING" not in done.stderr


@pytest.mark.parametrize("name", ["MODELS_LOCAL_DEVICE", "MODEL_LOCAL_SOURCE", "SAMPLING_SEED"])
def test_check_warns_of_variables_that_have_one_underscore_where_two_belong(run, name):
    done = run("config", "check", **{f"PENSTOCK_{name}": "1"})
    assert done.stderr.splitlines()[0] == (
        f"warning: PENSTOCK_{name}: nobody reads this variable "
        "(two underscores stand between keys, as in PENSTOCK_MODELS__NAME__KEY)"
    )


def test_check_tells_every_problem_on_a_line_of_its_own(run, tmp_path):
    (tmp_path / "penstock.toml").write_text(FILE.replace("burst", "brust") + "zzz = 1\n")
    done = run("config", "check", PENSTOCK_UNSUPPORTED="ignore")
    assert (done.returncode, done.stdout) == (3, "")
    wrong = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert wrong[0] == (
        "error: penstock.toml:7: models.local.brust = 2: unknown key (did you mean 'burst'?)"
    )
    assert wrong[1].startswith(
        "error: penstock.toml:16: models.child.zzz = 1: unknown key (allowed: "
    )
    assert wrong[2] == (
        "error: PENSTOCK_UNSUPPORTED = \"ignore\": must be one of 'error', 'warn', 'drop'"
    )
    assert len(wrong) == 3


def test_check_as_json_has_the_parts_of_every_problem(run, tmp_path):
    said = json.loads(run("config", "check", "--json").stdout)
    assert (said["ok"], said["problems"], len(said["warnings"])) == (True, [], 1)
    (tmp_path / "penstock.toml").write_text("zzz = 1\n")
    done = run("config", "check", "--json")
    assert done.returncode == 3
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["text"].startswith("penstock.toml:1: zzz = 1: unknown key (allowed: default")
    assert {name: problem[name] for name in ("where", "line", "key", "value", "what")} == {
        "where": "penstock.toml",
        "line": 1,
        "key": "zzz",
        "value": "1",
        "what": "unknown key",
    }


def test_a_file_may_be_named_and_values_be_put_over_it(run, tmp_path):
    (tmp_path / "other.toml").write_text('default = "echo:"\n')
    done = run("config", "show", "--config", "other.toml", "--set", "sampling.top_k=3", "--origin")
    assert done.stdout == (
        'default = "echo:"  # other.toml:1\n\n[sampling]\ntop_k = 3  # --set sampling.top_k\n'
    )
    assert run("config", "check", "--set", "nonsense").returncode == 2


def test_show_is_toml_that_says_the_same_without_secrets(run):
    done = run("config", "show", PENSTOCK_MODELS__LOCAL__DEVICE="cpu")
    assert done.returncode == 0
    assert CANARY not in done.stdout
    assert tomllib.loads(done.stdout) == {
        "default": "local",
        "sampling": {"temperature": 0.5},
        "models": {
            "local": {
                "backend": "echo",
                "aliases": ["l"],
                "device": "cpu",
                "options": {"burst": 2},
            },
            "cloud": {
                "backend": "openai",
                "source": "some-model",
                "options": {"api_key": "***"},
            },
            "child": {"extends": "cloud"},
        },
    }
    assert json.loads(run("config", "show", "--json").stdout)["default"] == "local"


def test_show_tells_the_origin_of_every_value(run):
    done = run("config", "show", "--origin", PENSTOCK_MODELS__LOCAL__DEVICE="cpu")
    assert "burst = 2  # penstock.toml:7\n" in done.stdout
    assert 'device = "cpu"  # PENSTOCK_MODELS__LOCAL__DEVICE\n' in done.stdout
    said = json.loads(run("config", "show", "--origin", "--json").stdout)
    assert said["default"] == {"value": "local", "origin": "penstock.toml:1"}


def test_explain_says_what_sets_a_value_and_over_what(run):
    done = run("config", "explain", "models.local.device", PENSTOCK_MODELS__LOCAL__DEVICE="cpu")
    assert done.stdout == 'models.local.device = "cpu"\n  PENSTOCK_MODELS__LOCAL__DEVICE\n'
    done = run("config", "explain", "default", PENSTOCK_MODEL="cloud")
    assert done.stdout == (
        'default = "cloud"\n  PENSTOCK_MODEL\n  over "local", at penstock.toml:1\n'
    )


def test_explain_says_what_a_model_takes_from_elsewhere(run):
    done = run("config", "explain", "models.child.sampling.temperature")
    assert done.stdout == (
        "models.child.sampling.temperature = 0.5\n  penstock.toml:2, as sampling.temperature\n"
    )
    done = run("config", "explain", "models.child.api_key")
    assert done.stdout == (
        'models.child.options.api_key = "***"\n  penstock.toml:12, as models.cloud.api_key\n'
    )
    (said,) = json.loads(run("config", "explain", "models.child.model", "--json").stdout)
    assert (said["value"], said["inherited"]) == ("some-model", "models.cloud.model")


def test_explain_of_a_table_explains_all_in_it(run):
    done = run("config", "explain", "models.local")
    assert [line for line in done.stdout.splitlines() if line[0] != " "] == [
        "models.local.sampling.temperature = 0.5",
        'models.local.backend = "echo"',
        "models.local.options.burst = 2",
        'models.local.aliases = ["l"]',
    ]


def test_explain_knows_a_model_by_its_alias(run):
    burst = run("config", "explain", "models.l.burst").stdout
    assert burst.startswith("models.local.options.burst = 2\n")
    assert burst in run("config", "explain", "models.l").stdout
    assert run("config", "explain", "models.lo").returncode == 2


def test_explain_of_what_nothing_sets_names_the_nearest(run):
    done = run("config", "explain", "models.local.bakend")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing sets 'models.local.bakend'. Did you mean 'models.local.backend'?" in done.stderr


@pytest.mark.parametrize(
    "key",
    ["models.l.sampling.top_p", "models.local.device", "deadlines.load", "unsupported"],
)
def test_explain_of_a_right_key_that_nothing_sets_names_no_other(run, key):
    done = run("config", "explain", key)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"nothing sets '{key}'. The default holds" in done.stderr


@pytest.mark.parametrize("key", ["models.x.device", "deadlines.seed", "device", "models.local.l"])
def test_explain_of_a_wrong_key_does_not_say_that_a_default_holds(run, key):
    done = run("config", "explain", key)
    assert done.returncode == 2
    assert "default holds" not in done.stderr


def test_path_lists_the_files_that_are_read_the_first_that_wins(run, tmp_path):
    assert run("config", "path").stdout == f"{tmp_path / 'penstock.toml'}\n"
    (tmp_path / "home" / "penstock").mkdir(parents=True)
    (tmp_path / "home" / "penstock" / "config.toml").write_text("")
    (tmp_path / "pyproject.toml").write_text("[tool.penstock]\n")
    assert run("config", "path").stdout.split() == [
        str(tmp_path / "penstock.toml"),
        str(tmp_path / "pyproject.toml"),
        str(tmp_path / "home" / "penstock" / "config.toml"),
    ]
    said = json.loads(run("config", "path", "--json").stdout)
    assert [one["kind"] for one in said] == ["project", "pyproject", "user"]
    for name in ("penstock.toml", "pyproject.toml", "home/penstock/config.toml"):
        (tmp_path / name).unlink()
    done = run("config", "path")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        f"No penstock.toml from here upwards, and no {tmp_path / 'home/penstock/config.toml'}\n"
    )


def test_schema_is_a_schema(run):
    schema = json.loads(run("config", "schema").stdout)
    assert schema["$schema"].endswith("2020-12/schema")
    assert "n_ctx" in json.dumps(schema)
    assert json.loads(run("config", "schema", "--json").stdout) == schema
    (line,) = run("config", "schema", "--jsonl").stdout.splitlines()
    assert json.loads(line) == schema


@pytest.mark.parametrize("command", ["", "check", "show", "explain", "path", "schema"])
def test_help_of_a_command_installs_nothing(run, command):
    done = run("config", *filter(None, [command]), "--help")
    assert "completion" not in done.stdout
    assert "Usage: " in done.stdout


def test_commands_take_the_names_of_models_and_end_with_3_where_the_file_is_wrong(run, tmp_path):
    done = run("complete", "abcdefghi", "-m", "l", "--max-tokens", "2", "-q")
    assert (done.returncode, done.stdout) == (0, "abcdef\n")
    assert run("complete", "abc", "-q").stdout.strip() == "abc"
    assert run("complete", "abc", "-q", PENSTOCK_MODEL="nobody").returncode == 3
    (tmp_path / "penstock.toml").write_text("zzz = 1\nyyy = 2\n")
    done = run("complete", "abc", "-m", "pocket:")
    assert done.returncode == 3
    assert [line[:24] for line in done.stderr.splitlines()] == [
        "error: penstock.toml:1: ",
        "error: penstock.toml:2: ",
    ]


def test_config_alone_shows_its_commands(run):
    done = run("config")
    for command in ("check", "show", "explain", "path", "schema"):
        assert f" {command} " in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["show --json", "show --jsonl", "explain sampling --json"])
def test_a_number_that_json_does_not_have_is_a_text(run, tmp_path, command):
    """A bias of -inf bans a token; `-Infinity`, as Python writes it, no other reader takes."""
    (tmp_path / "penstock.toml").write_text("sampling.logit_bias = { 5 = -inf, 6 = 0.5 }\n")
    printed = run("config", *command.split()).stdout
    said = json.loads(printed, parse_constant=pytest.fail)
    biases = said[0]["value"] if isinstance(said, list) else said["sampling"]["logit_bias"]
    assert biases == {"5": "-inf", "6": 0.5}


@pytest.mark.parametrize("command", ["path", "explain default", "check", "show"])
def test_lines_of_json_are_the_elements_of_the_whole(run, command):
    whole = json.loads(run("config", *command.split(), "--json").stdout)
    lines = [
        json.loads(line) for line in run("config", *command.split(), "--jsonl").stdout.splitlines()
    ]
    if command == "check":
        told = [
            {"level": kind[:-1], **one} for kind in ("problems", "warnings") for one in whole[kind]
        ]
        assert lines == told != []
    else:
        assert lines == (whole if isinstance(whole, list) else [whole])


def test_json_keeps_every_letter_where_the_output_is_not_utf_8(run):
    arguments = ("config", "show", "--set", "models.m.source=漢字.gguf", "--json")
    done = run(*arguments, PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["models"]["m"]["source"] == "漢字.gguf"


# what other commands make of it


def test_presets_of_the_configuration_are_listed_and_its_models_pulled(run, tmp_path):
    (tmp_path / "penstock.toml").write_text(
        '[models.tiny]\nsource = "pocket:"\n[presets]\nsmall = "pocket:"\n'
    )
    listed = run("models", "--presets").stdout
    assert any(line.split() == ["small", "pocket:"] for line in listed.splitlines())
    for name in ("tiny", "small"):
        done = run("pull", name, "-q")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(".gguf\n")


def test_doctor_looks_at_the_configuration(run, tmp_path):
    done = run("doctor")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert ["ok", "configuration", "local,", "cloud,", "child"] in rows
    assert ["ok", "default", "model", "local"] in rows
    (tmp_path / "penstock.toml").write_text("zzz = 1\n")
    done = run("doctor")
    assert done.returncode == 3
    assert "WRONG  configuration" in done.stdout
    assert "penstock.toml:1: zzz = 1: unknown key" in done.stdout
