"""`load("local")`: what a name means, and what holds for every call of its model."""

from __future__ import annotations

import subprocess
import sys
import time

import anyio
import penstock
import penstock_pocket
import pytest
from blockbuster import blockbuster_ctx
from penstock import Deadlines, Sampling, sync
from penstock.config import Config
from penstock.errors import (
    ConfigError,
    DeadlineExceeded,
    ModelNotFound,
    UnknownBackend,
    Unsupported,
    UsageError,
)
from penstock_openai.testing import FaultServer

pytestmark = pytest.mark.anyio

ECHO = """
default = "local"
[models.local]
backend = "echo"
aliases = ["l"]
options = { burst = 2 }
sampling = { max_tokens = 2, seed = 7 }
"""


@pytest.fixture
def server():
    with FaultServer() as server:
        yield server


@pytest.mark.parametrize("name", ["local", "l", None, ""])
async def test_a_name_an_alias_and_the_default_mean_a_model(name, write):
    write(ECHO)
    async with penstock.load(name) as model:
        done = await model.complete("abcdefghi")
    assert (done.text, done.effective.seed) == ("abcdef", 7)


async def test_the_sync_facade_takes_the_same_names(write):
    write(ECHO)
    with sync.load("l") as model:
        assert model.complete("abcdefghi").result().text == "abcdef"
    with sync.load("echo:", config=False) as model:
        assert model.complete("abcdefghi").result().text == "abcdefghi"


async def test_the_progress_of_a_named_model_is_watched_and_then_it_is_entered(write):
    write(ECHO)
    loading = penstock.load("l")
    phases = [progress.phase async for progress in loading.progress()]
    assert (phases[0], phases[-1]) == ("resolving", "ready")
    async with loading as model:
        assert (await model.complete("abcdefghi")).text == "abcdef"


async def test_what_no_name_is_stays_a_target_and_gets_what_holds_for_all(write):
    write(f"sampling = {{ max_tokens = 1 }}\n{ECHO}".replace('default = "local"', ""))
    async with penstock.load("echo-blocking:") as model:
        assert model.info.backend == "echo-blocking"
        assert (await model.complete("abcdef")).text == "abc"


async def test_one_program_runs_on_three_backends_and_penstock_model_says_which(
    write, server, monkeypatch
):
    write(f"""
        [models.one]
        backend = "llamacpp"
        source = "pocket:"
        n_ctx = 512
        [models.two]
        extends = "one"
        backend = "ctransformers"
        [models.three]
        backend = "openai"
        model = "served"
        base_url = "{server.url}"
        flavor = "standard"
        api_key = {{ env = "TEST_KEY" }}
    """)
    monkeypatch.setenv("TEST_KEY", "sk-test-0123456789")
    seen = []
    for name in ("one", "two", "three"):
        monkeypatch.setenv("PENSTOCK_MODEL", name)
        async with penstock.load() as model:
            done = await model.chat([{"role": "user", "content": "Hi"}], max_tokens=4)
            assert done.text
            seen.append((model.info.backend, model.info.context_length))
    assert seen == [("llamacpp", 512), ("ctransformers", 512), ("openai", None)]
    assert server.received[0].headers["authorization"] == "Bearer sk-test-0123456789"


async def test_the_arguments_of_the_call_win(write):
    write(f"{ECHO}deadlines = {{ idle = 1, total = 2 }}\nunsupported = 'drop'\n")
    loading = penstock.load(
        "local", options={"burst": 1}, sampling=Sampling(max_tokens=1), deadlines=Deadlines(idle=9)
    )
    async with loading as model:
        done = await model.complete("abcdefghi", top_n_sigma=1.0)
    assert (done.text, done.effective.seed) == ("abc", 7)


@pytest.mark.parametrize(
    ("everywhere", "of_the_model", "of_the_load", "of_the_call", "raises"),
    [
        (None, None, None, None, True),
        ("drop", None, None, None, False),
        ("drop", "error", None, None, True),
        ("error", "drop", None, None, False),
        ("drop", "drop", "error", None, True),
        ("error", "error", "drop", None, False),
        ("error", "error", "error", "drop", False),
        ("drop", "drop", "drop", "error", True),
    ],
)
async def test_the_nearest_policy_holds(everywhere, of_the_model, of_the_load, of_the_call, raises):
    said = {
        "unsupported": everywhere,
        "models": {"m": {"backend": "echo", "unsupported": of_the_model}},
    }
    async with penstock.load("m", config=said, unsupported=of_the_load) as model:
        try:
            done = await model.complete("a", mirostat=1, unsupported=of_the_call)
        except Unsupported:
            assert raises
        else:
            assert not raises
            assert done.warnings


WARNING = {"config": {"unsupported": "warn"}, "sampling": Sampling(mirostat=1)}


async def test_a_warning_names_the_line_of_who_called_and_none_of_ours():
    async with penstock.load("echo:", **WARNING) as model:
        with pytest.warns(UserWarning, match="does not honour mirostat=1") as told:
            await model.complete("a")
            await model.session().send("a")
    assert {one.filename for one in told} == {__file__}
    assert len({one.lineno for one in told}) == len(told) == 2


def test_it_does_so_without_await():
    warned = pytest.warns(UserWarning, match="does not honour mirostat=1")
    with penstock.sync.load("echo:", **WARNING) as model, warned as told:
        model.complete("a").result()
        model.session().send("a").result()
    assert {one.filename for one in told} == {__file__}


async def test_the_deadlines_of_the_configuration_hold():
    said = {"models": {"slow": {"backend": "echo", "options": {"delay": 5}}}}
    said["deadlines"] = {"first_token": "50ms"}
    async with penstock.load("slow", config=said) as model:
        with pytest.raises(DeadlineExceeded, match="'first_token' deadline of 0.05 s"):
            await model.complete("a")
    said["models"]["slow"] = {"backend": "echo", "load_seconds": 60, "deadlines": {"load": 0.05}}
    with anyio.fail_after(10), pytest.raises(DeadlineExceeded, match="'load' deadline of 0.05 s"):
        await penstock.load("slow", config=said).__aenter__()


@pytest.mark.parametrize("kind", ["path", "text", "mapping", "config"])
async def test_a_configuration_may_be_given(kind, write, tmp_path):
    write("default = 'nobody'\n")
    path = write(ECHO, "other.toml")
    given = {
        "path": path,
        "text": str(path),
        "mapping": {"default": "local", "models": {"local": {"backend": "echo"}}},
        "config": Config.read(path),
    }[kind]
    async with penstock.load(config=given) as model:
        assert model.info.backend == "echo"


async def test_without_configuration_the_plugins_default_is_loaded(write, monkeypatch):
    write(ECHO)
    monkeypatch.setenv("PENSTOCK_MODEL", "l")
    async with penstock.load(config=False, options={"n_ctx": 256}) as model:
        assert model.info.backend == "llamacpp"
    with pytest.raises(ModelNotFound, match="there is no model and no file 'local'"):
        await penstock.load("local", config=False).__aenter__()


async def test_what_is_no_configuration_is_refused():
    with pytest.raises(UsageError, match=r"config=3\. It is a path"):
        await penstock.load("echo:", config=3).__aenter__()


# names that mean nothing


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("loacl", "no file 'loacl'. Did you mean 'local'? The configuration has local"),
        ("qwen3-0.6", "Did you mean 'qwen3-0.6b'"),
        ("sma11", "Did you mean 'small'"),
        ("zzz", "there is no model and no file 'zzz'. The configuration has local"),
    ],
)  # fmt: skip
async def test_an_unknown_name_is_told_with_the_nearest(name, said, write):
    write(f'{ECHO}\n[presets]\nsmall = "pocket:"\n')
    with pytest.raises(ModelNotFound) as caught:
        await penstock.load(name).__aenter__()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("local", "no file 'local'. No model is configured: penstock.toml is looked for from the"),
        ("qwen3-0.6", "Did you mean 'qwen3-0.6b' or "),
        ("pocket", "there is no file 'pocket'. For what is called so here, write 'pocket:'"),
        ("local.gguf", "there is no file 'local.gguf'. Check the path"),
        ("models/local", "there is no file 'models/local'. Check the path"),
    ],
)
async def test_a_name_without_configuration_is_told_where_names_come_from(name, said):
    with pytest.raises(ModelNotFound) as caught:
        await penstock.load(name, config=False).__aenter__()
    assert said in str(caught.value)


async def test_the_name_of_a_plugin_is_told_as_such_also_where_models_are_configured(write):
    write(ECHO)
    with pytest.raises(ModelNotFound, match="write 'pocket:'"):
        await penstock.load("pocket").__aenter__()


@pytest.mark.parametrize("backend", ["", 'backend = "llamacpp"\n'])
async def test_a_file_that_is_not_there_is_told_with_the_place_that_names_it(write, backend):
    write(f'[models.local]\n{backend}source = "gone.gguf"\n')
    with pytest.raises(ModelNotFound) as caught:
        await penstock.load("local").__aenter__()
    line = 3 if backend else 2
    said = f'penstock.toml:{line}: models.local.source = "gone.gguf": '
    assert str(caught.value).startswith(said)
    assert "gone.gguf' " in str(caught.value)


async def test_a_default_that_means_nothing_is_told_with_its_place(write, monkeypatch):
    write(ECHO.replace('default = "local"', 'default = "loacl"'))
    with pytest.raises(
        ConfigError, match=r"^penstock\.toml:2: default = \"loacl\": there is no such"
    ):
        await penstock.load().__aenter__()
    monkeypatch.setenv("PENSTOCK_MODEL", "lcal")
    with pytest.raises(ConfigError, match=r"^PENSTOCK_MODEL = \"lcal\": .*did you mean 'local'\?"):
        await penstock.load().__aenter__()


async def test_a_wrong_scheme_is_told_as_before(write):
    write(ECHO)
    with pytest.raises(UnknownBackend, match="'nobody'"):
        await penstock.load("nobody:x").__aenter__()


async def test_what_is_wrong_with_another_model_stops_nobody(write):
    write(f'{ECHO}\n[models.other]\nbackend = "not-here"\nzzz = 1\n')
    async with penstock.load() as model:
        assert model.info.backend == "echo"
    with pytest.raises(
        ConfigError, match=r"models\.other\.backend = \"not-here\": there is no such"
    ):
        await penstock.load("other").__aenter__()


async def test_what_no_type_can_be_stops_everybody(write):
    write(f"zzz = 1\n{ECHO}")
    with pytest.raises(ConfigError, match="zzz = 1: unknown key"):
        await penstock.load("echo:").__aenter__()


async def test_a_load_reads_the_file_again_when_it_is_tried_again(write):
    write("zzz = 1")
    loading = penstock.load()
    with pytest.raises(ConfigError):
        await loading.__aenter__()
    write(ECHO)
    async with loading as model:
        assert model.info.backend == "echo"


# paths, presets, hashes


async def test_a_path_is_from_the_folder_of_its_file(write, monkeypatch):
    path = write("""
        default = "models/x.gguf"
        [models.a]
        source = "models/x.gguf"
        [models.b]
        backend = "ctransformers"
        source = "models/x.gguf"
        [presets]
        p = "models/x.gguf"
    """)
    (path.parent / "models").mkdir()
    (path.parent / "models" / "x.gguf").symlink_to(penstock_pocket.path())
    (path.parent / "deep").mkdir()
    monkeypatch.chdir(path.parent / "deep")
    for name, backend in {
        "a": "llamacpp",
        "b": "ctransformers",
        "p": "llamacpp",
        "": "llamacpp",
    }.items():
        async with penstock.load(name, options={"n_ctx": 128}) as model:
            assert model.info.backend == backend


async def test_presets_of_the_configuration_stand_beside_those_of_plugins(write):
    write("""
        [models.tiny]
        source = "small"
        n_ctx = 128
        [presets]
        small = { target = "pocket:", summary = "3 MB" }
        "qwen3-0.6b" = "pocket:"
        named = "llamacpp:pocket:"
    """)
    for name in ("small", "tiny", "llamacpp:small", "qwen3-0.6b", "named"):
        async with penstock.load(name, options={"n_ctx": 128}) as model:
            assert model.info.backend == "llamacpp"


async def test_a_hash_goes_to_the_source(registry):
    from penstock.config.choosing import choose

    url, digest = "https://example.com/a.gguf", "A" * 64
    said = Config.of({"models": {"a": {"source": url, "sha256": digest}}})
    assert choose(said, "a", registry).target.source == f"{url}#sha256={digest.lower()}"


async def test_an_id_of_a_server_is_taken_as_it_is(registry):
    from penstock.config.choosing import choose

    for word in ("model", "source"):
        said = Config.of({"models": {"a": {"backend": "openai", word: "hf:owner/repo"}}})
        target = choose(said, "a", registry).target
        assert (target.backend, target.scheme, target.rest) == ("openai", None, "hf:owner/repo")


@pytest.mark.parametrize(("given", "used"), [(None, "of the file"), ("of the call", "of the call")])
async def test_a_chat_template_takes_the_place_of_the_models_own(given, used):
    said = {"models": {"a": {"backend": "echo", "chat_template": "{{ 'of the file' }}"}}}
    template = None if given is None else f"{{{{ '{given}' }}}}"
    async with penstock.load("a", config=said, chat_template=template) as model:
        assert model.info.chat_template == f"{{{{ '{used}' }}}}"


async def test_a_server_that_has_templates_of_its_own_takes_none(server):
    said = {"backend": "openai", "model": "m", "base_url": server.url, "flavor": "standard"}
    with pytest.raises(Unsupported, match="makes prompts of messages by itself"):
        await penstock.load(
            "a", config={"models": {"a": {**said, "chat_template": "{{ 1 }}"}}}
        ).__aenter__()


# where the work is done


async def test_reading_and_looking_secrets_up_never_block_the_loop(write):
    slow = "import time; time.sleep(1); print('x')"
    write(f"""
        [models.a]
        backend = "openai"
        model = "m"
        base_url = "http://127.0.0.1:9/v1"
        flavor = "standard"
        api_key = {{ command = {[sys.executable, "-c", slow]!r} }}
    """)
    longest, stop = 0.0, False

    async def tick() -> None:
        nonlocal longest
        while not stop:
            begun = time.monotonic()
            await anyio.sleep(0.01)
            longest = max(longest, time.monotonic() - begun)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        begun = time.monotonic()
        with blockbuster_ctx():  # which sees every file that is opened on an asyncio loop
            async with penstock.load("a"):
                stop = True
        assert time.monotonic() - begun > 1
    assert longest < 0.5


def test_a_fresh_process_that_imports_penstock_imports_no_configuration():
    program = "import sys, penstock, penstock.sync; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "penstock.loading" in loaded
    assert not {"pydantic", "pydantic_core", "tomllib", "platformdirs", "penstock.config"} & {
        *loaded
    }


def test_without_files_a_load_imports_no_pydantic(here):
    program = "import sys, penstock\nwith penstock.sync.load('echo:'): pass\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "penstock.config.config" in done.stdout.split()
    assert not {"pydantic", "pydantic_core"} & {*done.stdout.split()}


def test_checking_every_backends_options_imports_no_engine(write):
    write("""
        [models.a]
        backend = "llamacpp"
        source = "pocket:"
        n_ctx = 512
        [models.b]
        backend = "ctransformers"
        source = "pocket:"
        threads = 1
        [models.c]
        backend = "openai"
        api_key = { env = "X" }
        retries = 1
    """)
    program = (
        "import sys\nfrom penstock.config import Config\n"
        "from penstock.config.auditing import Auditor\n"
        "from penstock.config.editors import json_schema\n"
        "from penstock.registry import Registry\nregistry = Registry.installed()\n"
        "assert not Auditor(Config.discovered(), registry).problems()\njson_schema(registry)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "penstock_llamacpp" in loaded
    assert not {
        "llama_cpp", "ctransformers", "openai", "aiohttp", "httpx", "httpx2", "numpy", "keyring",
    } & loaded  # fmt: skip
