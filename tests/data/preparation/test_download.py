import contextlib
import errno
import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fedrec.data.preparation import download
from fedrec.data.preparation.download import RELEASES, Release, get
from fedrec.errors import ConfigError, DataError, ResourceError

BODY = b"a zip, as far as this test goes" * 5_000


@contextmanager
def server_of(body, *, status=200, length=None):
    """Serve one body on loopback; `length` is what the header claims."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/ml.zip", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def release_of(address, body=BODY):
    return Release(address, hashlib.sha256(body).hexdigest(), "Free for this test.")


def left_in(home):
    return sorted(path.name for path in (home / "downloads").iterdir())


def test_the_right_file_is_kept_and_reported(tmp_path):
    seen = []
    with server_of(BODY) as (address, _):
        done = get(
            "ml-1m", tmp_path, release=release_of(address), progress=lambda *n: seen.append(n)
        )
    assert done.path.read_bytes() == BODY
    assert (done.bytes, done.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert (done.licence, done.address, done.was_there) == ("Free for this test.", address, False)
    assert seen[-1] == (len(BODY), len(BODY))
    assert left_in(tmp_path) == ["ml-1m.zip"]


def test_a_file_that_is_there_is_not_fetched_again(tmp_path):
    with server_of(BODY) as (address, asked):
        get("ml-1m", tmp_path, release=release_of(address))
        assert get("ml-1m", tmp_path, release=release_of(address)).was_there
        assert len(asked) == 1
        (tmp_path / "downloads" / "ml-1m.zip").write_bytes(b"damaged")
        assert not get("ml-1m", tmp_path, release=release_of(address)).was_there


def test_another_hash_is_refused_and_not_kept(tmp_path):
    with (
        server_of(b"<html>sign in</html>") as (address, _),
        pytest.raises(DataError, match=r"sha256 .*expected .*error page.*data\.source"),
    ):
        get("ml-1m", tmp_path, release=release_of(address))
    assert left_in(tmp_path) == []


def test_a_file_cut_short_is_refused_and_not_kept(tmp_path):
    with (
        server_of(BODY[:1000], length=len(BODY)) as (address, _),
        pytest.raises(DataError, match=f"cut short: 1000 of {len(BODY)} bytes"),
    ):
        get("ml-1m", tmp_path, release=release_of(address))
    assert left_in(tmp_path) == []


def test_a_wrong_download_leaves_the_old_file_alone(tmp_path):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "ml-1m.zip").write_bytes(b"old")
    with server_of(b"error") as (address, _), pytest.raises(DataError, match="expected"):
        get("ml-1m", tmp_path, release=release_of(address))
    assert (tmp_path / "downloads" / "ml-1m.zip").read_bytes() == b"old"


def test_an_error_answer_is_named(tmp_path):
    with (
        server_of(b"no", status=404) as (address, _),
        pytest.raises(ResourceError, match="answers 404 Not Found"),
    ):
        get("ml-1m", tmp_path, release=release_of(address))
    assert left_in(tmp_path) == []


def test_without_network_the_message_names_address_folder_and_key(tmp_path):
    with server_of(b"") as (address, _):
        pass  # closed now: nothing listens there
    with pytest.raises(ResourceError) as caught:
        get("ml-100k", tmp_path, release=release_of(address), timeout=2)
    for part in (address, str(tmp_path / "downloads" / "ml-100k.zip"), "data.source"):
        assert part in str(caught.value)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("limit", [len(BODY) + 1, len(BODY)])
def test_a_file_may_be_as_large_as_the_limit(tmp_path, monkeypatch, limit):
    assert download.MAX_BYTES == 1 << 30
    monkeypatch.setattr(download, "MAX_BYTES", limit)
    with server_of(BODY) as (address, _):
        assert get("ml-1m", tmp_path, release=release_of(address)).bytes == len(BODY)


def test_a_byte_more_than_the_limit_is_refused_and_nothing_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", len(BODY) - 1)
    with (
        server_of(BODY) as (address, _),
        pytest.raises(DataError, match=f"sends more than {len(BODY) - 1} bytes"),
    ):
        get("ml-1m", tmp_path, release=release_of(address))
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("failing", [1, 2])
def test_a_disk_that_fills_up_under_a_download_ends_it_with_one_line(
    tmp_path, monkeypatch, failing
):
    """The hash of what came is right all the same: the file is what is short."""
    real, writes = download.new_file, []

    @contextlib.contextmanager
    def filling(path):
        with real(path) as file:

            class Full:
                def write(self, block):
                    writes.append(len(block))
                    if len(writes) == failing:
                        raise OSError(errno.ENOSPC, "No space left on device")
                    return file.write(block)

            yield Full()

    monkeypatch.setattr(download, "new_file", filling)
    with (
        server_of(BODY) as (address, _),
        pytest.raises(ResourceError, match=r"^cannot write .*ml-1m\.zip \(No space left on device"),
    ):
        get("ml-1m", tmp_path, release=release_of(address))
    assert len(writes) == failing
    assert left_in(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named_before_anything_is_fetched(tmp_path):
    (tmp_path / "downloads").write_text("a file")
    with server_of(BODY) as (address, asked), pytest.raises(ResourceError, match="cannot write"):
        get("ml-1m", tmp_path, release=release_of(address))
    assert asked == []


def test_an_unknown_name_shows_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"'ml-20m' to get; one of ml-1m, ml-100k"):
        get("ml-20m", tmp_path)


def test_official_addresses_are_https_with_pinned_hashes():
    for name, release in RELEASES.items():
        assert release.address == f"https://files.grouplens.org/datasets/movielens/{name}.zip"
        assert len(bytes.fromhex(release.sha256)) == 32
