"""Secrets are kept elsewhere, looked up when a model is loaded, and told to nobody."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError
from penstock.config import Config
from penstock.config.auditing import Auditor
from penstock.config.choosing import choose
from penstock.config.exposure import exposed
from penstock.config.listing import as_toml, as_tree
from penstock.config.masking import masked
from penstock.config.origins import Origin
from penstock.config.references import Reference
from penstock.errors import ConfigError, UsageError
from penstock.secret import Secret

CANARY = "sk-canary-0123456789abcdef"
CLOUD = '[models.cloud]\nbackend = "openai"\nmodel = "m"\n'
NO_TEXT = f"import os; os.write(1, b'{CANARY}' + bytes([255]))"
PRINT = [sys.executable, "-c", f"print('{CANARY}')"]


def spoken(error: BaseException) -> str:
    """All that a person or a log may see of an error and of what is behind it."""
    parts = ["".join(traceback.format_exception(error))]
    one: BaseException | None = error
    while one is not None:
        parts += [repr(one), repr(vars(one)), repr(one.args), repr(getattr(one, "object", ""))]
        one = one.__cause__ or one.__context__
    return "\n".join(parts)


def options(registry, given=None, name="cloud"):
    return choose(Config.discovered(), name, registry).options(given or {})


class Ring(KeyringBackend):
    """A keyring with one entry, which breaks when it is asked for another user's."""

    priority = 1

    def get_password(self, service, username):
        if username == "broken":
            raise KeyringError(CANARY)
        return CANARY if (service, username) == ("some/service", "me") else None

    def set_password(self, service, username, password):
        raise NotImplementedError

    def delete_password(self, service, username):
        raise NotImplementedError


@pytest.fixture
def ring():
    before = keyring.get_keyring()
    keyring.set_keyring(Ring())
    yield
    keyring.set_keyring(before)


@pytest.mark.parametrize(
    "reference",
    [
        '{ env = "LLM_KEY" }',
        '{ file = "secrets/key" }',
        '{ keyring = "some/service/me" }',
        f"{{ command = {PRINT!r} }}",
    ],
)
def test_a_reference_is_looked_up_when_the_model_is_loaded(
    reference, write, registry, monkeypatch, ring
):
    path = write(f"{CLOUD}api_key = {reference}\n")
    write(f"{CANARY}\n", "secrets/key")
    monkeypatch.setenv("LLM_KEY", CANARY)
    (path.parent / "deep").mkdir()
    monkeypatch.chdir(path.parent / "deep")  # paths are from the folder of the file
    assert "command" in reference or CANARY not in repr(Config.discovered().settings)
    key = options(registry)["api_key"]
    assert key == Secret(CANARY)
    assert CANARY not in repr(key)


BROKEN = {
    "a variable that is not set": ('{ env = "GONE" }', "the variable is not set (export GONE=…)"),
    "a variable that is empty": ('{ env = "EMPTY" }', "holds nothing"),
    "a file that is not there": (
        '{ file = "gone" }',
        "the file cannot be read: No such file or directory",
    ),
    "a file that is a folder": ('{ file = "." }', "the file cannot be read: Is a directory"),
    "a file that is no text": ('{ file = "bytes" }', "the file holds no text in UTF-8"),
    "a file that is a model": ('{ file = "large" }', "the file is too large for a secret"),
    "an entry that is not there": (
        '{ keyring = "other/me" }',
        "the keyring has no such entry (keyring set other me)",
    ),
    "a keyring that breaks": (
        '{ keyring = "x/broken" }',
        "the keyring cannot be asked: KeyringError",
    ),
    "a program that is not there": (
        '{ command = ["no-such-program"] }',
        "the program cannot be run: No such file or directory",
    ),
    "a program that fails": (
        f"{{ command = {[*PRINT[:2], PRINT[2] + '; exit(3)']!r} }}",
        "the program ended with status 3",
    ),
    "a program that prints no text": (
        f"{{ command = {[*PRINT[:2], NO_TEXT]!r} }}",
        "the program printed no text in UTF-8",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_reference_that_leads_nowhere_is_told_without_the_value(
    name, write, registry, monkeypatch, ring
):
    reference, said = BROKEN[name]
    path = write(f"{CLOUD}api_key = {reference}\n")
    (path.parent / "bytes").write_bytes(CANARY.encode() + b"\xff")
    (path.parent / "large").write_bytes(CANARY.encode() * 4000)
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(ConfigError) as caught:
        options(registry)
    (problem,) = caught.value.problems
    assert str(problem).startswith("penstock.toml:4: models.cloud.api_key = { ")
    assert str(problem).endswith(f" }}: {said}")
    assert CANARY not in spoken(caught.value).replace(reference, "").replace(
        repr(reference), ""
    ) or (
        "program" in name  # whose own text is the reference
    )


def test_all_references_that_lead_nowhere_are_told_at_once(write, registry):
    write(
        f'{CLOUD}api_key = {{ env = "NOT_SET_HERE" }}\norganization = {{ env = "NOR_THIS_ONE" }}\n'
    )
    with pytest.raises(ConfigError) as caught:
        options(registry)
    assert [problem.line for problem in caught.value.problems] == [4, 5]


def test_a_reference_may_stand_for_any_option_and_is_read_as_its_type(write, registry, monkeypatch):
    write(
        f'{CLOUD}base_url = {{ env = "URL" }}\nretries = {{ env = "N" }}\n'
        'stream = { env = "S" }\norganization = { env = "N" }\n'
    )
    for name, text in {"URL": "http://127.0.0.1/v1", "N": "3", "S": "false"}.items():
        monkeypatch.setenv(name, text)
    assert options(registry) == {
        "base_url": "http://127.0.0.1/v1",
        "retries": 3,
        "stream": False,
        "organization": "3",
    }


def test_what_a_reference_leads_to_is_checked_and_not_told(write, registry, monkeypatch):
    write(f'{CLOUD}base_url = {{ env = "URL" }}\n')
    monkeypatch.setenv("URL", CANARY)
    with pytest.raises(ConfigError) as caught:
        options(registry)
    assert str(caught.value) == (
        'penstock.toml:4: models.cloud.base_url = { env = "URL" }: what it leads to '
        "must be a URL such as 'http://127.0.0.1:8000/v1'"
    )
    assert CANARY not in spoken(caught.value)


def test_an_option_of_the_call_wins_and_its_reference_is_not_looked_up(write, registry):
    write(f'{CLOUD}api_key = {{ env = "GONE" }}\n')
    assert options(registry, {"api_key": "mine"}) == {"api_key": "mine"}


def test_a_secret_of_a_variable_stays_text_though_it_looks_like_a_number(
    write, registry, monkeypatch
):
    write(CLOUD)
    monkeypatch.setenv("PENSTOCK_MODELS__CLOUD__API_KEY", "123456")
    assert options(registry) == {"api_key": Secret("123456")}


# whose file it is


@pytest.mark.skipif(os.name != "posix", reason="looks at the rights of POSIX")
@pytest.mark.parametrize("reference", [f"{{ command = {PRINT!r} }}", '{ env = "LLM_KEY" }'])
def test_nothing_is_looked_up_for_a_file_that_others_may_have_written(
    reference, write, registry, monkeypatch
):
    monkeypatch.setenv("LLM_KEY", CANARY)
    path = write(f"{CLOUD}api_key = {reference}\n")
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="nothing is looked up for a file that somebody else may"):
        options(registry)
    named = choose(Config.read(path), "cloud", registry)
    assert named.options({}) == {"api_key": Secret(CANARY)}


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can give a file away"
)
def test_nothing_is_looked_up_for_a_file_of_somebody_else(write, registry, monkeypatch):
    monkeypatch.setenv("LLM_KEY", CANARY)
    path = write(f'{CLOUD}api_key = {{ env = "LLM_KEY" }}\n')
    os.chown(path, 12345, 12345)
    with pytest.raises(ConfigError, match="nothing is looked up for a file that somebody else may"):
        options(registry)


@pytest.mark.skipif(os.name != "posix", reason="looks at the rights of POSIX")
@pytest.mark.parametrize("secret", ['{ env = "LLM_KEY" }', f'"{CANARY}"'])
@pytest.mark.parametrize(
    "theirs",
    [
        '[models.cloud]\nbase_url = "https://theirs.example.com/v1"\n',
        '[models.cloud]\noptions.proxy = "http://theirs.example.com"\n',
        '[models.other]\nextends = "cloud"\nbase_url = "https://theirs.example.com/v1"\n',
    ],
)
def test_no_secret_goes_where_a_file_that_others_may_have_written_says(
    secret, theirs, write, user_file, registry, monkeypatch
):
    """Files are merged key by key: theirs says the server, and the user's own file the key."""
    monkeypatch.setenv("LLM_KEY", CANARY)
    user_file.write_text(f"{CLOUD}api_key = {secret}\n")
    path = write(theirs)
    path.chmod(0o644)
    name = "other" if "other" in theirs else "cloud"
    assert options(registry, name=name)["api_key"] == Secret(CANARY)
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="somebody else may have written") as caught:
        options(registry, name=name)
    assert [problem.where for problem in caught.value.problems] == ["penstock.toml"]
    assert CANARY not in spoken(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="looks at the rights of POSIX")
def test_a_file_that_others_may_have_written_may_say_what_no_secret_goes_with(
    write, user_file, registry
):
    user_file.write_text(f'{CLOUD}api_key = "{CANARY}"\n')
    path = write(
        "[models.cloud]\nsampling.top_k = 5\n"
        '[models.theirs]\nbackend = "openai"\nmodel = "m"\napi_key = "their own"\n'
    )
    path.chmod(0o666)
    assert options(registry) == {"api_key": Secret(CANARY)}
    assert options(registry, name="theirs") == {"api_key": Secret("their own")}


@pytest.mark.skipif(os.name != "posix", reason="looks at the rights of POSIX")
@pytest.mark.parametrize("given", [{}, {"retries": 1}, {"api_key": Secret(CANARY)}])
def test_nor_does_a_secret_that_the_backend_would_find_by_itself(
    given, write, registry, monkeypatch
):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    path = write(f'{CLOUD}proxy = "http://theirs.example.com"\n')
    path.chmod(0o644)
    assert options(registry, given) == {"proxy": "http://theirs.example.com", **given}
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="a secret would go with this") as caught:
        options(registry, given)
    assert "models.cloud.proxy" in {problem.key for problem in caught.value.problems}
    assert CANARY not in spoken(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="looks at the rights of POSIX")
@pytest.mark.parametrize(
    "theirs",
    ["", 'base_url = "http://127.0.0.1:8000/v1"', 'proxy = "http://x"\napi_key = ""'],
    ids=["no option", "a server that gets no key", "none to be sent"],
)
def test_a_file_that_others_may_have_written_is_heeded_where_the_backend_finds_none(
    theirs, write, registry, monkeypatch
):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    path = write(f"{CLOUD}{theirs}\n")
    path.chmod(0o666)
    assert len(options(registry)) == len(theirs.splitlines())


@pytest.mark.skipif(os.name != "posix", reason="looks at the rights of POSIX")
def test_check_warns_of_plain_text_and_of_what_everybody_can_read(write, registry):
    path = write(f'{CLOUD}api_key = "{CANARY}"\n[models.b]\nextends = "cloud"\n')
    path.chmod(0o644)
    assert warnings(registry) == [
        (
            'penstock.toml:4: models.cloud.api_key = "***": a secret in plain text '
            '(write api_key = { env = "NAME" }, or name a file, a keyring or a command)'
        ),
        (
            "penstock.toml: holds a secret, and everybody on this machine can read it "
            "(chmod o-r penstock.toml)"
        ),
    ]
    path.chmod(0o600)
    assert len(warnings(registry)) == 1
    write(f'{CLOUD}api_key = {{ file = "key" }}\n')
    key = write(CANARY, "key")
    key.chmod(0o644)
    assert warnings(registry) == [
        (
            'penstock.toml:4: models.cloud.api_key = { file = "key" }: '
            "everybody on this machine can read the file (chmod o-r key)"
        )
    ]
    key.chmod(0o600)
    assert warnings(registry) == []


def warnings(registry) -> list[str]:
    config = Config.discovered()
    return [str(warning) for warning in exposed(config, Auditor(config, registry))]


# never shown


def test_what_is_listed_holds_no_secret(write, registry):
    write(f"""
        {CLOUD}
        api_key = "{CANARY}"

        [models.other]
        extends = "cloud"
        api_key = ""
        base_url = "https://me:{CANARY}@example.com/v1"
        headers = ["X-Title: mine", "X-Api-Key: {CANARY}", "X-Login: Bearer {CANARY}"]
        query = ["access_token={CANARY}", "api-version=preview"]
    """)
    config = Config.discovered()
    auditor = Auditor(config, registry)
    assert auditor.problems() == []
    for shown in ("\n".join(as_toml(config, auditor)), repr(as_tree(config, auditor))):
        assert CANARY not in shown
        assert "https://***@example.com/v1" in shown
        assert "X-Title: mine" in shown
        assert "api-version=preview" in shown


@pytest.mark.parametrize(
    "option",
    [
        f'base_url = "https://example.com/v1?key={CANARY}"',
        f'base_url = "https://example.com/v1?a=b&key={CANARY}"',
        f'base_url = "https://example.com/v1?se=1&sig={CANARY}"',
        f'base_url = "https://example.com/v1?X-Amz-Signature={CANARY}"',
        f'query = ["key={CANARY}"]',
        f'headers = ["Authorization: Bearer {CANARY}"]',
        f'headers = ["Bearer {CANARY}"]',
        f'headers = ["X-Forwarded: bearer  {CANARY}"]',
    ],
)
def test_a_secret_in_a_url_a_query_or_a_header_is_not_told(option, write, registry):
    write(f"{CLOUD}{option}\n")
    config = Config.discovered()
    auditor = Auditor(config, registry)
    assert CANARY not in "\n".join(as_toml(config, auditor))
    assert CANARY not in repr(as_tree(config, auditor))
    assert CANARY not in repr(auditor.problems())


@pytest.mark.parametrize(
    "text", ["start: key value", "key: /[a-z]+/", "a bearer of news", "bearer", "a?b=c"]
)
def test_what_only_looks_like_a_secret_from_afar_is_shown(text):
    assert masked(text) == text


def test_check_warns_of_plain_text_within_values(write, registry):
    write(
        f'{CLOUD}base_url = "https://me:{CANARY}@example.com/v1"\n'
        f'headers = ["X-Title: mine", "Authorization: Bearer {CANARY}"]\n'
        'query = ["api-version=preview"]\n'
    ).chmod(0o600)
    assert warnings(registry) == [
        (
            'penstock.toml:4: models.cloud.base_url = "***": a secret in plain text '
            '(write base_url = { env = "NAME" }, or name a file, a keyring or a command)'
        ),
        (
            'penstock.toml:5: models.cloud.headers = "***": a secret in plain text '
            '(write headers = { env = "NAME" }, or name a file, a keyring or a command)'
        ),
    ]


@pytest.mark.parametrize("key", ["api_kye", "apikey", "secret", "my_token", "password", "auth"])
def test_a_secret_under_a_wrong_name_is_not_told_either(key, write, look):
    write(f'{CLOUD}{key} = "{CANARY}"\n')
    (problem,) = look()
    assert f'models.cloud.{key} = "***": unknown key' in problem


def test_a_reference_prints_as_it_is_written():
    for table in (
        {"env": "A"},
        {"file": "a/b"},
        {"keyring": "a/b"},
        {"command": ["pass", "show", "a b"]},
    ):
        (kind,) = table
        assert str(Reference.of(table)).startswith(f"{{ {kind} = ")
        assert Reference.of(table).kind == kind


def test_a_program_that_takes_too_long_is_told():
    reference = Reference("command", (sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(UsageError, match=r"took longer than 0\.2 s"):
        reference.resolve(Origin("here"), seconds=0.2)


def test_home_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text("x\n")
    assert Reference("file", "~/key").resolve(Origin("here", file=Path("/nowhere/a"))) == "x"
