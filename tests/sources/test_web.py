"""`https:` and `http:`, against a server on this machine."""

from __future__ import annotations

import base64
import hashlib
import signal
import subprocess
from pathlib import Path

import pytest
from penstock.errors import LoadError
from penstock.sources import SourceContext
from penstock_sources import web
from penstock_sources.downloads import Download
from penstock_sources.fetching import verify
from penstock_sources.meter import Meter

from tests.sources.hub import Hub
from tests.sources.test_hub import wait_until

ZEROS = "0" * 64


@pytest.fixture
def url(hub) -> str:
    return f"{hub.url}/files/pocket.gguf"


def test_a_file_is_downloaded_once_and_its_hash_is_told(hub, caller, body, url):
    done = caller.run("pull", url)
    path = caller.folder / "cache" / "penstock" / "downloads"
    assert done.stdout.startswith(str(path))
    assert f"sha256 {hashlib.sha256(body).hexdigest()} pocket.gguf" in done.stderr
    again = caller.run("pull", url)
    assert (again.stdout, again.stderr) == (done.stdout, "")
    assert hub.bodies() == [None]


def test_quiet_says_nothing_but_the_path(caller, url):
    done = caller.run("pull", url, "--quiet")
    assert done.stdout.endswith("pocket.gguf\n")
    assert done.stderr == ""


def test_a_login_in_a_url_goes_to_its_server_and_is_kept_nowhere(hub, caller, url):
    private = url.replace("://", "://ada:open%20sesame@")
    done = caller.run("pull", private)
    assert hub.keys[-1] == "Basic " + base64.b64encode(b"ada:open sesame").decode()
    path = Path(done.stdout.strip())
    assert not any(b"sesame" in file.read_bytes() for file in path.parent.iterdir())
    assert "sesame" not in done.stderr + caller.run("models").stdout
    assert caller.run("pull", url).stdout == done.stdout  # the same file, without it


def test_a_login_is_not_told_in_errors_and_goes_to_no_other_server(hub, caller, url):
    hub.status = 403
    done = caller.run("pull", url.replace("://", "://ada:sesame@"))
    assert done.returncode == 4
    assert "sesame" not in done.stderr
    with Hub() as other:
        other.plain = hub.plain
        hub.status, hub.redirect = None, f"{other.url}/files/pocket.gguf"
        assert caller.run("pull", url.replace("://", "://ada:sesame@")).returncode == 0
        assert hub.keys[-1] is not None
        assert other.keys == [None]


def test_the_right_hash_is_accepted_and_not_told_again(caller, body, url):
    done = caller.run("pull", f"{url}#sha256={hashlib.sha256(body).hexdigest()}")
    assert done.returncode == 0
    assert "sha256" not in done.stderr


def test_a_wrong_hash_is_an_error_that_names_both_and_the_file_is_deleted(caller, body, url):
    done = caller.run("pull", f"{url}#sha256={ZEROS}")
    assert done.returncode == 4
    assert hashlib.sha256(body).hexdigest() in done.stderr
    assert ZEROS in done.stderr
    assert list(caller.folder.rglob("pocket.gguf*")) == []


def test_a_wrong_hash_for_what_is_here_is_an_error_too(caller, url):
    caller.pulled(url)
    done = caller.run("pull", f"{url}#sha256={ZEROS}")
    assert done.returncode == 4
    assert f"`penstock rm {url}` makes way" in done.stderr


def test_a_file_whose_record_was_lost_is_looked_at_again(caller, body, url):
    path = caller.pulled(url)
    (path.parent / "record.json").unlink()
    assert caller.pulled(f"{url}#sha256={hashlib.sha256(body).hexdigest()}") == path


def test_what_is_no_hash_is_refused(caller, url):
    done = caller.run("pull", f"{url}#md5=abc")
    assert done.returncode == 4
    assert "#sha256= and 64 hexadecimal digits" in done.stderr


def test_after_an_interrupt_the_next_call_asks_for_the_rest(hub, caller, body, url):
    hub.pace = 0.1
    child = caller.start("pull", url)
    wait_until(lambda: sum(part.stat().st_size for part in caller.parts()) > 500_000)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=10)
    assert child.returncode == 130
    there = caller.parts()[0].stat().st_size
    hub.pace = 0
    assert caller.pulled(url).read_bytes() == body
    assert hub.bodies() == [None, there]


@pytest.mark.parametrize("heeds", [True, False])
def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(hub, caller, body, url, heeds):
    hub.pace, hub.heeds = 0.1, heeds
    child = caller.start("pull", url)
    wait_until(caller.parts)
    child.kill()
    child.communicate()
    hub.pace = 0
    hub.plain["/files/pocket.gguf"] = body[::-1]
    assert caller.pulled(url).read_bytes() == body[::-1]


@pytest.mark.parametrize("known", [False, True])
def test_without_a_tag_only_a_known_hash_allows_to_go_on(hub, caller, body, url, known):
    name = f"{url}#sha256={hashlib.sha256(body).hexdigest()}" if known else url
    hub.pace, hub.tags = 0.1, False
    child = caller.start("pull", name)
    wait_until(caller.parts)
    child.kill()
    child.communicate()
    hub.pace = 0
    assert caller.pulled(name).read_bytes() == body
    assert (hub.bodies()[-1] is not None) == known


def test_a_file_that_changes_at_a_cut_is_fetched_from_its_beginning(hub, caller, body, url):
    hub.cuts, hub.pace = 1, 0.05
    child = caller.start("pull", url)
    wait_until(caller.parts)
    hub.plain["/files/pocket.gguf"] = body[::-1]
    out, errors = child.communicate(timeout=30)
    assert child.returncode == 0, errors
    assert Path(out.strip()).read_bytes() == body[::-1]


def test_a_server_that_sends_all_when_asked_for_the_rest_is_believed(hub, caller, body, url):
    hub.cuts, hub.ranges = 1, False
    assert caller.pulled(url).read_bytes() == body


def test_two_processes_at_once_download_it_once(hub, caller, body, url):
    hub.pace = 0.01
    children = [caller.start("pull", url) for _ in range(2)]
    for child in children:
        _, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors
    assert caller.pulled(url).read_bytes() == body
    assert hub.bodies() == [None]


def test_a_disk_that_fills_up_is_told_so_and_what_came_is_gone_on_from(
    hub, caller, body, url, small_disk
):
    hub.lengths = False  # nobody can see it coming
    caller.env["XDG_CACHE_HOME"] = str(small_disk)
    done = caller.run("pull", url)
    assert done.returncode == 4
    assert "no space left for the download" in done.stderr
    assert "the device is full" in done.stderr
    subprocess.run(["mount", "-o", "remount,size=9m", str(small_disk)], check=True)
    hub.lengths = True
    assert caller.pulled(url).read_bytes() == body
    assert hub.bodies()[-1] > 500_000


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "there is no file at"), (403, "does not let anybody have"), (503, "busy or failed")],
)
def test_an_answer_that_is_no_file_is_told(hub, caller, url, status, said):
    hub.status = status
    done = caller.run("pull", url)
    assert done.returncode == 4
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_only_this_machine_may_send_a_file_unencrypted(caller):
    done = caller.run("pull", "http://example.com/model.gguf")
    assert done.returncode == 4
    assert "would come unencrypted" in done.stderr


def test_nobody_is_sent_on_to_an_unencrypted_place(hub, caller, url):
    hub.redirect = "http://example.com/model.gguf"
    done = caller.run("pull", url)
    assert "'http://example.com/model.gguf' would come unencrypted" in done.stderr


def test_a_failure_that_passes_may_be_retried(hub, url, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    hub.status = 503
    with pytest.raises(LoadError) as caught:
        web.resolve_http(url.removeprefix("http:"), SourceContext())
    assert caught.value.retryable


def test_stopped_while_it_is_verified_a_file_is_kept(tmp_path):
    part = tmp_path / "x.part"
    part.write_bytes(b"all of it")
    context = SourceContext()
    context.cancel.set()
    with pytest.raises(LoadError, match="loading was cancelled"):
        verify(part, Meter(context, "verifying", 9), ZEROS)
    assert part.exists()


def test_removed_it_is_gone_and_comes_again(hub, caller, url):
    path = caller.pulled(url)
    done = caller.run("rm", url, "--yes")
    assert done.stdout == f"deleted {url} (3.5 MB)\n"
    assert not path.exists()
    caller.pulled(url)
    assert len(hub.bodies()) == 2


def test_the_name_of_a_file_cannot_lead_out_of_its_folder():
    for url in (
        "https://x.org/..%2f..%2fetc%2fpasswd",
        "https://x.org/.hidden",
        "https://x.org/a b",
        "https://x.org/lock",
        "https://x.org/record.json",
        "https://x.org/...",
    ):
        download = Download.parse(url)
        assert download.path.parent == download.folder
        assert not download.path.name.startswith(".")
        assert download.path.name not in {"", "lock", "record.json"}
