"""Options are checked before anything is sent, and say what is wrong."""

from __future__ import annotations

import base64

import pytest
from penstock import errors
from penstock.errors import UsageError
from penstock.secret import Secret
from penstock_openai.options import OPENAI_URL, LoadOptions

WRONG = [
    {"base_url": "127.0.0.1:8000"}, {"base_url": "ftp://x/v1"}, {"base_url": ""}, {"base_url": 5},
    {"base_url": "http://x/v1#y"},
    {"base_url": "http://[::1/v1"}, {"base_url": "http://host:99999/v1"},
    {"retries": -1}, {"retries": 1.5}, {"retries": True}, {"retry_wait": 0},
    {"retry_wait": float("inf")}, {"connect_timeout": "5"}, {"read_timeout": -1},
    {"headers": ["no colon"]}, {"headers": 5}, {"query": ["=x"]}, {"stream": "yes"},
    {"parallel": 0}, {"context_length": 0}, {"chat_template_kwargs": "[1]"},
    {"chat_template_kwargs": "{"}, {"auth_header": ""}, {"flavor": None}, {"id_slot": "x"},
    {"cache_prompt": 1}, {"allow_incomplete": None}, {"organization": ""}, {"api_key": 5},
]  # fmt: skip


@pytest.mark.parametrize("options", WRONG, ids=str)
def test_what_cannot_be_is_refused_by_name(options) -> None:
    (name,) = options
    with pytest.raises(errors.UsageError, match=name):
        LoadOptions.of(options)


def test_an_unknown_option_is_told_with_the_nearest() -> None:
    with pytest.raises(errors.UsageError, match="Did you mean 'base_url'"):
        LoadOptions.of({"baseurl": "http://127.0.0.1/v1"})


@pytest.mark.anyio
async def test_an_unknown_flavor_is_told_with_the_nearest(connect) -> None:
    with pytest.raises(errors.UsageError, match="Did you mean 'vllm'"):
        async with connect(flavor="vlm"):
            pass


@pytest.mark.anyio
async def test_a_device_is_the_servers_own_choice(server) -> None:
    import penstock

    with pytest.raises(errors.UsageError, match="cuda"):
        async with penstock.load(
            "openai:m", device="cuda", options={"base_url": server.url, "flavor": "vllm"}
        ):
            pass


def test_defaults() -> None:
    options = LoadOptions.of({})
    assert (options.url, options.api_key, options.flavor) == (OPENAI_URL, None, "auto")


@pytest.mark.parametrize(
    ("url", "host", "local", "root"),
    [
        ("http://localhost:8000/v1/", "localhost", True, "http://localhost:8000"),
        ("http://127.0.0.5/v1", "127.0.0.5", True, "http://127.0.0.5"),
        ("http://[::1]:80/v1", "::1", True, "http://[::1]:80"),
        ("https://example.com/api/v1", "example.com", False, "https://example.com/api"),
        ("https://example.com/openai", "example.com", False, "https://example.com/openai"),
    ],
)
def test_where_the_server_is(url, host, local, root) -> None:
    options = LoadOptions.of({"base_url": url})
    assert (options.host, options.is_local, options.root) == (host, local, root)


def test_a_login_and_a_query_of_the_url_have_their_own_places(monkeypatch) -> None:
    url = "https://me%40x:a%3Ab@example.com:8/v1/?api-version=1&empty="
    options = LoadOptions.of({"base_url": url, "query": ["own=2"], "headers": ["X-Title: mine"]})
    assert (options.url, options.root) == ("https://example.com:8/v1", "https://example.com:8")
    login = base64.b64encode(b"me@x:a:b").decode()
    assert options.headers == (("X-Title", "mine"), ("Authorization", f"Basic {login}"))
    assert options.query == (("api-version", "1"), ("empty", ""), ("own", "2"))
    assert options.secrets == (Secret(login),)
    with pytest.raises(UsageError, match="two logins"):
        LoadOptions.of({"base_url": url, "api_key": "sk-1"})
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert LoadOptions.of({}).url == options.url
    assert LoadOptions.of({}).api_key is None


def test_a_wrong_server_of_the_environment_is_told_without_its_login(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:canary@example.com:99999/v1")
    with pytest.raises(UsageError, match="OPENAI_BASE_URL is 'https://[*]{3}@example.com:99999"):
        LoadOptions.of({})
    with pytest.raises(UsageError, match="'base_url' is 'https://[*]{3}@example.com:99999"):
        LoadOptions.of({"base_url": "https://me:canary@example.com:99999/v1"})


def test_a_secret_may_come_as_one() -> None:
    assert LoadOptions.of({"api_key": Secret("abcdef")}).api_key == Secret("abcdef")
    assert LoadOptions.of({"api_key": ""}).api_key is None
    assert LoadOptions.of({"api_key": Secret("abcdef\r\n")}).api_key == Secret("abcdef")


@pytest.mark.parametrize("key", ["sk-canary-é", "sk-canary\u200b", "sk-canary\nX-Other: 1"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_told(key, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    for options in ({"api_key": key}, {"api_key": Secret(key)}, {}):
        with pytest.raises(UsageError, match=r"api_key|OPENAI_API_KEY") as told:
            LoadOptions.of(options)
        assert "canary" not in str(told.value)
        assert "printable ASCII" in str(told.value)
