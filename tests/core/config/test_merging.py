"""Where configuration is found, and what wins over what, key by key."""

from __future__ import annotations

import pytest
from penstock.config import Config
from penstock.config.auditing import Auditor
from penstock.config.choosing import choose
from penstock.config.explaining import explained
from penstock.errors import ConfigError, UsageError

USER = """
default = "mine"
unsupported = "drop"
[models.local]
device = "cpu"
options = { n_ctx = 1, parallel = 1 }
sampling = { temperature = 0.1, top_k = 1 }
[presets]
small = "hf:user/repo"
"""
PYPROJECT = """
[project]
name = "x"
[tool.penstock]
default = "ours"
[tool.penstock.models.local]
source = "pocket:"
options.n_ctx = 2
sampling.temperature = 0.2
"""
PROJECT = """
[models.local]
backend = "llamacpp"
n_ctx = 3
[presets.small]
target = "hf:project/repo"
summary = "1 GB"
"""


def of_model(config: Config, name: str = "local") -> dict[str, object]:
    return {".".join(key): one.value for key, one in config.of_model(name).items()}


def test_the_project_wins_over_pyproject_and_that_over_the_user_key_by_key(write, user_file):
    user_file.write_text(USER)
    write(PYPROJECT, "pyproject.toml")
    write(PROJECT)
    config = Config.discovered()
    assert config.default == "ours"
    assert of_model(config) == {
        "backend": "llamacpp",
        "source": "pocket:",
        "device": "cpu",
        "unsupported": "drop",
        "options.n_ctx": 3,
        "options.parallel": 1,
        "sampling.temperature": 0.2,
        "sampling.top_k": 1,
    }
    assert [(one.name, one.target, one.summary) for one in config.presets] == [
        ("small", "hf:project/repo", "1 GB")
    ]


def test_every_value_knows_its_file_and_line(write, user_file):
    user_file.write_text(USER)
    write(PYPROJECT, "pyproject.toml")
    write(PROJECT)
    settings = Config.discovered().of_model("local")
    origins = {".".join(key): str(one.origin) for key, one in settings.items()}
    assert origins["device"] == f"{user_file}:5"
    assert origins["source"] == "pyproject.toml:7"
    assert origins["sampling.temperature"] == "pyproject.toml:9"
    assert origins["options.n_ctx"] == "penstock.toml:4"
    assert settings["options", "n_ctx"].key == "models.local.n_ctx"


def test_variables_win_over_files_and_flags_over_variables(write):
    write(PROJECT)
    environ = {"PENSTOCK_MODELS__LOCAL__N_CTX": "4", "PENSTOCK_MODELS__LOCAL__DEVICE": "cuda:1"}
    config = Config.discovered(environ=environ, flags=["models.local.device=cpu"])
    assert of_model(config) == {"backend": "llamacpp", "options.n_ctx": 4, "device": "cpu"}
    origins = {".".join(key): str(one.origin) for key, one in config.of_model("local").items()}
    assert origins["device"] == "--set models.local.device"
    assert origins["options.n_ctx"] == "PENSTOCK_MODELS__LOCAL__N_CTX"


def test_files_are_found_upwards_and_the_nearest_wins(write, monkeypatch):
    path = write('default = "above"\n')
    deep = write('default = "below"\n', "a/penstock.toml").parent
    monkeypatch.chdir(deep)
    assert Config.discovered().default == "below"
    (deep / "b").mkdir()
    monkeypatch.chdir(deep / "b")
    assert Config.discovered().default == "below"
    assert Config.discovered(path.parent).default == "above"


def test_a_pyproject_that_does_not_speak_of_penstock_is_passed_by(write, monkeypatch):
    write("[tool.penstock]\nunsupported = 'warn'\n", "pyproject.toml")
    deep = write('[project]\ndependencies = ["penstock"]\n', "a/pyproject.toml").parent
    monkeypatch.chdir(deep)
    assert [one.value for one in Config.discovered().settings.values()] == ["warn"]


@pytest.mark.parametrize(
    "text",
    [
        "[tool]\npenstock.unsupported = 'warn'",
        "tool.penstock.unsupported = 'warn'",
        "[ tool . 'penstock' ]\nunsupported = 'warn'",
        "tool = { penstock = { unsupported = 'warn' } }",
    ],
)
def test_the_section_of_a_pyproject_may_be_written_in_any_way(text, write):
    write(text, "pyproject.toml")
    assert [one.value for one in Config.discovered().settings.values()] == ["warn"]


@pytest.mark.parametrize("text", ["[tool]\npenstock = 5\n", "\n[[tool.penstock]]\ndefault = 'm'\n"])
def test_a_section_that_is_no_table_is_told(text, write):
    write(text, "pyproject.toml")
    with pytest.raises(ConfigError, match=r"^pyproject\.toml:2: tool\.penstock must be a table"):
        Config.discovered()


def test_a_broken_pyproject_is_other_tools_business_unless_it_has_the_section(write):
    write('[project\nname = "penstock"\n', "pyproject.toml")
    assert Config.discovered().settings == {}
    write("[project\n[tool.penstock]\n", "pyproject.toml")
    with pytest.raises(ConfigError, match=r"^pyproject\.toml:1: is no TOML"):
        Config.discovered()


def test_folders_and_working_directories_that_are_gone_are_no_errors(here, monkeypatch):
    (here / "penstock.toml").mkdir()
    assert Config.discovered().settings == {}
    (here / "gone").mkdir()
    monkeypatch.chdir(here / "gone")
    (here / "gone").rmdir()
    assert Config.discovered().settings == {}


# variables


def test_penstock_model_is_the_default_and_an_empty_variable_is_none(write):
    write('default = "file"\n')
    assert Config.discovered(environ={"PENSTOCK_MODEL": "echo:"}).default == "echo:"
    assert Config.discovered(environ={"PENSTOCK_DEFAULT": "echo:"}).default == "echo:"
    assert Config.discovered(environ={"PENSTOCK_MODEL": ""}).default == "file"


def test_other_variables_of_the_prefix_are_left_alone(here):
    environ = {
        "PENSTOCK_PLUGINS": "echo",
        "PENSTOCK_DISABLE_PLUGINS": "x",
        "PENSTOCK_BENCH__SECONDS": "1",
        "PENSTOCK_": "x",
        "PENSTOCK_WHATEVER": "x",
    }
    assert Config.discovered(environ=environ).settings == {}


def test_a_variable_finds_the_name_that_it_cannot_spell(write):
    write('[models."Qwen3-0.6b"]\nsource = "x"\n[presets]\n"my.small" = "hf:a/b"\n')
    environ = {
        "PENSTOCK_MODELS__QWEN3_0_6B__DEVICE": "cpu",
        "PENSTOCK_PRESETS__MY_SMALL": "hf:c/d",
        "PENSTOCK_MODELS__NEW_ONE__SOURCE": "pocket:",
    }
    config = Config.discovered(environ=environ)
    assert config.models == ("Qwen3-0.6b", "new_one")
    assert of_model(config, "Qwen3-0.6b") == {"source": "x", "device": "cpu"}
    assert [(one.name, one.target) for one in config.presets] == [("my.small", "hf:c/d")]


def test_the_value_of_a_variable_is_read_as_toml_where_it_is_and_else_as_text(here):
    environ = {
        "PENSTOCK_SAMPLING__TEMPERATURE": "0.5",
        "PENSTOCK_SAMPLING__STOP": '["END", "x"]',
        "PENSTOCK_SAMPLING__INCLUDE_STOP": "true",
        "PENSTOCK_SAMPLING__REGEX": "a+",
        "PENSTOCK_DEADLINES__IDLE": "2m",
        "PENSTOCK_MODELS__A__SOURCE": "123",
        "PENSTOCK_MODELS__A__OPTIONS": "{ n_ctx = 512, parallel = 2 }",
        "PENSTOCK_MODELS__A__LORA": "1\n2",
    }
    config = Config.discovered(environ=environ)
    assert of_model(config, "a") == {
        "source": "123",
        "options.n_ctx": 512,
        "options.parallel": 2,
        "options.lora": "1\n2",
        "sampling.temperature": 0.5,
        "sampling.stop": ["END", "x"],
        "sampling.include_stop": True,
        "sampling.regex": "a+",
        "deadlines.idle": "2m",
    }


@pytest.mark.parametrize(
    "name", ["PENSTOCK_MODELS__", "PENSTOCK_DEFAULT__X", "PENSTOCK_MODELS__A____B"]
)
def test_a_variable_that_names_no_key_is_told(name, here):
    with pytest.raises(ConfigError, match=f"^{name}: names no key"):
        Config.discovered(environ={name: "x"})


@pytest.mark.parametrize("flag", ["models.local.device", "=x", "a..b=x", "a b=x", "a\nb=2"])
def test_a_flag_that_is_no_pair_is_refused(flag, here):
    with pytest.raises(UsageError, match="--set"):
        Config.discovered(flags=[flag])


# values that go together


def test_a_constraint_replaces_one_of_another_kind_in_a_lower_place(write, user_file):
    user_file.write_text('[sampling]\nregex = "a+"\ntop_k = 1\n')
    write('[models.a]\nsource = "x"\nsampling = { choices = ["a"] }\n')
    assert of_model(Config.discovered(), "a") == {
        "source": "x",
        "sampling.choices": ["a"],
        "sampling.top_k": 1,
    }


def test_a_hash_does_not_outlive_the_source_it_is_of(write):
    write(f"""
        [models.a]
        source = "https://example.com/a.gguf"
        sha256 = "{"0" * 64}"
        [models.b]
        extends = "a"
        source = "https://example.com/b.gguf"
    """)
    assert "sha256" in of_model(Config.discovered(), "a")
    assert of_model(Config.discovered(), "b") == {"source": "https://example.com/b.gguf"}


def test_a_reference_is_replaced_as_a_whole(write, user_file):
    user_file.write_text('[models.a]\napi_key = { env = "MINE" }\n')
    write('[models.a]\nsource = "x"\napi_key = { file = "key" }\n')
    assert of_model(Config.discovered(), "a")["options.api_key"] == {"file": "key"}


# names


def test_what_a_model_extends_stands_below_it_and_above_what_holds_for_all(write):
    write("""
        unsupported = "warn"
        sampling = { temperature = 0.1, top_k = 1, top_p = 0.5 }
        [models.base]
        backend = "llamacpp"
        aliases = ["b"]
        sampling = { temperature = 0.2, top_k = 2 }
        [models.middle]
        extends = "base"
        sampling = { temperature = 0.3 }
        [models.top]
        extends = "middle"
        source = "pocket:"
    """)
    config = Config.discovered()
    assert config.chain("top") == ("top", "middle", "base")
    assert of_model(config, "top") == {
        "backend": "llamacpp",
        "source": "pocket:",
        "unsupported": "warn",
        "sampling.temperature": 0.3,
        "sampling.top_k": 2,
        "sampling.top_p": 0.5,
    }
    assert [config.name_of(name) for name in ("b", "base", "nobody")] == ["base", "base", None]


def test_what_holds_for_all_holds_for_models_that_are_not_in_it(write):
    write("unsupported = 'drop'\n[models.a]\nsource = 'x'\n[sampling]\nseed = 1\n")
    settings = Config.discovered().of_model(None)
    assert {key: one.value for key, one in settings.items()} == {
        ("unsupported",): "drop",
        ("sampling", "seed"): 1,
    }


SYNONYMS = """
[models.base]
backend = "ctransformers"
source = "x.bin"
context_length = 1
threads = 1
[models.local]
extends = "base"
batch_size = 8
"""


@pytest.mark.parametrize("name", ["n_ctx", "context_length"])
def test_an_option_is_overridden_by_any_of_its_names(name, write, user_file, registry):
    """By a child, by a file that wins, and by a variable; as it is said last."""
    user_file.write_text(SYNONYMS)

    def options(**variables: str) -> dict[str, object]:
        config = Config.discovered(environ=variables)
        assert Auditor(config, registry).problems() == []
        return choose(config, "local", registry).options({})

    assert options() == {"context_length": 1, "threads": 1, "batch_size": 8}
    write(f"[models.base]\n{name} = 2\n")
    assert options() == {name: 2, "threads": 1, "batch_size": 8}
    write(f"[models.base]\n{name} = 2\n[models.local]\nn_ctx = 3\n")
    assert options() == {"n_ctx": 3, "threads": 1, "batch_size": 8}
    auditor = Auditor(Config.discovered(), registry)
    (told,) = explained(Config.discovered(), auditor, "models.local.options.n_ctx")
    assert (told.value, told.origin) == (3, "penstock.toml:4")
    with pytest.raises(UsageError, match="nothing sets 'models.local.options.context_length'"):
        explained(Config.discovered(), auditor, "models.local.options.context_length")
    said = options(PENSTOCK_MODELS__LOCAL__CONTEXT_LENGTH="4")
    assert said == {"context_length": 4, "threads": 1, "batch_size": 8}
    assert choose(Config.discovered(), "local", registry).options({name: 5})[name] == 5


def test_an_option_by_two_names_in_one_place_is_refused(write, look):
    write(SYNONYMS + "n_ctx = 1\ncontext_length = 2\n")
    (told,) = look()
    assert told == (
        "penstock.toml:7: models.local: the ctransformers option n_ctx is given twice, as "
        "'context_length' and 'n_ctx' (leave one of them out)"
    )
