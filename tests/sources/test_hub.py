"""`hf:`, against a hub on this machine: each test with an empty cache and processes of its own."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.sources.hub import COMMIT, TOKEN, Hub

NAME = "hf:some/pocket-GGUF"


def test_a_model_is_downloaded_once_and_found_again(hub, caller, body):
    path = caller.pulled(NAME)
    assert path.name == "pocket-Q4_K_M.gguf"
    assert path.read_bytes() == body
    assert hub.bodies() == [None]
    assert caller.pulled(NAME) == path
    assert hub.bodies() == [None]


def test_a_hash_that_the_hub_knows_is_not_told(caller):
    done = caller.run("pull", NAME)
    assert "verifying 100%" in done.stderr
    assert "sha256" not in done.stderr


def test_it_lies_where_all_clients_of_the_hub_look_for_it(caller):
    path = caller.pulled(NAME)
    snapshot = f"hf/hub/models--some--pocket-GGUF/snapshots/{COMMIT}/pocket-Q4_K_M.gguf"
    assert path == caller.folder / snapshot
    assert "/blobs/" in str(path.resolve())


@pytest.mark.parametrize(
    "form",
    [
        f"{NAME}:q4_k_m",
        f"{NAME}/pocket-Q4_K_M.gguf",
        f"{NAME}@main",
        f"{NAME}/pocket-Q4_K_M.gguf@{COMMIT}",
    ],
)
def test_every_form_names_the_model(caller, body, form):
    assert caller.pulled(form).read_bytes() == body


def test_it_loads_and_tells_its_progress_in_order(caller):
    done = caller.run("complete", "Once upon a time", "-m", NAME, "--max-tokens", "4")
    assert done.returncode == 0, done.stderr
    phases = [line.split()[0] for line in done.stderr.splitlines()]
    assert phases[:2] == ["downloading", "downloading"]
    assert "verifying" in phases


def test_a_cut_in_the_middle_is_gone_over_with_the_rest_alone(hub, caller, body):
    hub.cuts = 2
    path = caller.pulled(NAME)
    assert path.read_bytes() == body
    begins = hub.bodies()
    assert begins[0] is None
    assert 0 < begins[1] < begins[2]


def test_after_an_interrupt_the_next_call_goes_on(hub, caller, body):
    hub.pace = 0.1
    child = caller.start("pull", NAME)
    wait_until(lambda: sum(part.stat().st_size for part in caller.parts()) > 500_000)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=10)
    assert child.returncode == 130, errors
    assert "Traceback" not in errors
    (part,) = caller.parts()
    there = part.stat().st_size
    hub.pace = 0
    assert caller.pulled(NAME).read_bytes() == body
    assert hub.bodies()[-1] == there
    assert caller.parts() == []


def test_a_connection_that_always_breaks_is_an_error_that_keeps_what_came(hub, caller, body):
    hub.cuts, hub.cut_after = 99, 0
    done = caller.run("pull", f"{NAME}/pocket-Q4_K_M.gguf")
    assert done.returncode == 4
    assert "was cut off" in done.stderr
    assert "it goes on from there" in done.stderr


def test_a_file_in_a_store_elsewhere_is_fetched_there_without_the_token(hub, caller, body):
    caller.env["HF_TOKEN"] = TOKEN
    with Hub() as store:
        store.plain["/files/pocket-Q4_K_M.gguf"] = body
        store.cuts = 1
        hub.store = store.url.replace("127.0.0.1", "localhost")
        assert caller.pulled(NAME).read_bytes() == body
        assert store.bodies()[0] is None
        assert store.bodies()[1] > 0
        assert set(store.keys) == {None}
    assert set(hub.keys) == {f"Bearer {TOKEN}"}


def test_an_interrupt_while_a_model_is_loaded_ends_the_program_and_keeps_what_came(hub, caller):
    hub.pace = 0.1
    child = caller.start("complete", "Once", "-m", NAME)
    wait_until(lambda: sum(part.stat().st_size for part in caller.parts()) > 300_000)
    child.send_signal(signal.SIGINT)
    out, errors = child.communicate(timeout=5)
    assert (child.returncode, out) == (130, ""), errors
    assert "Traceback" not in errors
    assert caller.parts()


def test_offline_the_cache_alone_is_used(hub, caller):
    path = caller.pulled(NAME)
    hub.asked.clear()
    caller.env["HF_HUB_OFFLINE"] = "1"
    assert caller.pulled(NAME) == path
    assert caller.pulled(f"{NAME}/pocket-Q4_K_M.gguf") == path
    assert hub.asked == []


def test_offline_what_is_not_in_the_cache_is_told_so(caller):
    caller.env["HF_HUB_OFFLINE"] = "1"
    done = caller.run("pull", NAME)
    assert done.returncode == 4
    assert "is not in the cache, and HF_HUB_OFFLINE is set. Unset it" in done.stderr


def test_without_a_network_the_cache_is_used_too(hub, caller):
    path = caller.pulled(NAME)
    caller.env["HF_ENDPOINT"] = "http://127.0.0.1:9"
    assert caller.pulled(NAME) == path


def test_without_a_network_and_a_cache_the_network_is_blamed(caller):
    caller.env["HF_ENDPOINT"] = "http://127.0.0.1:9"
    done = caller.run("pull", NAME)
    assert done.returncode == 4
    assert "the hub cannot be reached" in done.stderr
    assert "try again" in done.stderr


def test_what_comes_with_another_hash_is_refused_and_deleted(hub, caller):
    hub.wrong = True
    done = caller.run("pull", NAME)
    assert done.returncode == 4
    assert "has the SHA-256" in done.stderr
    assert "was expected" in done.stderr
    assert caller.parts() == []
    hub.wrong = False
    caller.pulled(NAME)


def test_a_token_that_is_wrong_is_told_so(caller):
    caller.env["HF_TOKEN"] = "hf_wrong"
    done = caller.run("pull", NAME)
    assert done.returncode == 4
    assert (
        "the hub does not let this token have 'some/pocket-GGUF' (401). Set HF_TOKEN" in done.stderr
    )
    assert "hf_wrong" not in done.stderr


def test_a_gated_model_is_told_so_and_the_token_opens_it(hub, caller, body):
    hub.gated.add("some/pocket-GGUF")
    done = caller.run("pull", NAME)
    assert done.returncode == 4
    assert "is gated" in done.stderr
    assert f"Ask for access at {hub.url}/some/pocket-GGUF, then set HF_TOKEN" in done.stderr
    caller.env["HF_TOKEN"] = TOKEN
    assert caller.pulled(NAME).read_bytes() == body


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "hf:some/pokcet-GGUF",
            "there is no model 'some/pokcet-GGUF' on the hub, or it is private",
        ),
        (f"{NAME}/poket-Q4_K_M.gguf", "The nearest are 'pocket-Q4_K_M.gguf'"),
        (f"{NAME}@v9", "has no revision 'v9'"),
        (f"{NAME}:Q8_0", "has no model of 'Q8_0'. There is Q4_K_M"),
        ("hf:pocket", "It is written hf:owner/repo"),
    ],
)
def test_what_is_not_there_is_answered_with_what_to_do(caller, name, said):
    done = caller.run("pull", name)
    assert done.returncode == 4
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_hub_that_is_busy_is_an_error_of_one_line(hub, caller):
    hub.status = 503
    done = caller.run("pull", f"{NAME}/pocket-Q4_K_M.gguf")
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "the hub is busy or failed" in done.stderr


def test_split_files_are_fetched_whole_and_the_first_is_returned(hub, caller, body):
    names = [f"Q8_0/big-Q8_0-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    hub.repos["some/big"] = {name: name.encode() + body[:200_000] for name in names}
    path = caller.pulled("hf:some/big:Q8_0")
    assert path.name == "big-Q8_0-00001-of-00003.gguf"
    assert sorted(file.name for file in path.parent.iterdir()) == [n[5:] for n in names]
    (line,) = [line for line in caller.run("models").stdout.splitlines() if "big" in line]
    assert "600 kB" in line


def test_a_full_disk_is_told_so_and_what_came_is_kept(hub, caller, body, small_disk):
    caller.env["HF_HOME"] = str(small_disk)
    done = caller.run("pull", NAME)
    assert done.returncode == 4
    assert "no space left" in done.stderr
    assert "2.5 MB more are needed" in done.stderr or "3.5 MB more are needed" in done.stderr
    assert "Make room" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_preset_is_pulled_and_removed_by_its_name(hub, caller, body):
    hub.repos["Qwen/Qwen3-0.6B-GGUF"] = {"Qwen3-0.6B-Q8_0.gguf": body}
    path = caller.pulled("qwen3-0.6b")
    assert path.name == "Qwen3-0.6B-Q8_0.gguf"
    done = caller.run("rm", "qwen3-0.6b", say="y\n")
    assert done.stdout == "deleted hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf (3.5 MB)\n"
    assert not path.exists()


def test_two_processes_at_once_download_it_once(hub, caller, body):
    hub.pace = 0.01
    children = [caller.start("pull", NAME) for _ in range(2)]
    for child in children:
        out, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors
        assert Path(out.strip()).read_bytes() == body
    assert hub.bodies() == [None]


def wait_until(true) -> None:
    last = time.monotonic() + 20
    while not true():
        assert time.monotonic() < last
        time.sleep(0.02)
