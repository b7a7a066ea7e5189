"""Damaged caches, downloads and archives, pickles, a full disk, a missing GPU."""

import io
import json
import os
import pickle
import struct
import tarfile
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from fedrec.data.preparation import download


def test_a_damaged_table_of_meanings_is_made_again(run, csv, events, fedrec_home, caplog):
    assert run(csv(events)).code == 0
    metrics = fedrec_home / "runs" / "small" / "metrics.json"
    before = metrics.read_bytes()
    [table] = (fedrec_home / "semantics").glob("[!r.]*/*.npy")
    sound = table.read_bytes()
    table.chmod(0o644)
    table.write_bytes(sound[:-2] + bytes([sound[-2] ^ 0xFF]) + sound[-1:])
    assert run(csv(events), "run.overwrite=true").code == 0
    assert table.read_bytes() == sound
    assert metrics.read_bytes() == before
    assert "semantics" in caplog.text


def test_other_texts_make_another_table(run, csv, events, fedrec_home):
    about = fedrec_home / "runs" / "small" / "run.json"
    keys = []
    for lines in (events, [line.replace("Film 7,", "Lucky Seven,") for line in events]):
        assert run(csv(lines), "run.overwrite=true").code == 0
        keys.append(json.loads(about.read_text())["semantics"]["key"])
    assert keys[0] != keys[1]


class Answers(BaseHTTPRequestHandler):
    """Serves an error page with status 200, as captive portals do."""

    body = b"<html>sign in first</html>"
    claimed = len(body)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(self.claimed))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def served(monkeypatch):
    """``served(handler)``: ml-1m is at an address on this machine; the address is returned."""
    servers = []

    def serve(handler):
        server = HTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        servers.append(server)
        address = f"http://127.0.0.1:{server.server_port}/ml-1m.zip"
        release = replace(download.RELEASES["ml-1m"], address=address)
        monkeypatch.setitem(download.RELEASES, "ml-1m", release)
        return address

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_download_of_another_hash_is_refused_and_not_kept(fedrec, refused, served, fedrec_home):
    address = served(Answers)
    expected = download.RELEASES["ml-1m"].sha256
    refused(fedrec("data", "get", "ml-1m"), 4, address, "error page", expected, "data.source")
    assert list((fedrec_home / "downloads").iterdir()) == []


def test_a_download_cut_short_is_refused_and_not_kept(fedrec, refused, served, fedrec_home):
    served(type("CutShort", (Answers,), {"claimed": 1000}))
    refused(fedrec("data", "get", "ml-1m"), 4, f"cut short: {len(Answers.body)} of 1000 bytes")
    assert list((fedrec_home / "downloads").iterdir()) == []


@pytest.mark.parametrize("name", ["../ratings.dat", "/ratings.dat", "a/../../ratings.dat"])
def test_names_that_leave_the_archive_are_refused(describe, refused, tmp_path, name):
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as archive:
        archive.writestr(name, "1::1::1::1")
        archive.writestr("movies.dat", "1::Film (1999)::War")
    refused(describe(tmp_path / "ml.zip"), 4, "ml.zip", repr(name), "outside the archive")


def test_links_are_refused(describe, refused, tmp_path):
    with tarfile.open(tmp_path / "ml.tar", "w") as archive:
        link = tarfile.TarInfo("ratings.dat")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    refused(describe(tmp_path / "ml.tar"), 4, "'ratings.dat', a link or device")


def test_a_bomb_is_refused_before_it_unpacks(describe, refused, tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ratings.dat", bytes(4096))
    raw = bytearray(content.getvalue())
    size_at = raw.index(b"PK\x01\x02") + 24  # uncompressed size in the central directory
    raw[size_at : size_at + 4] = struct.pack("<I", 2**31)
    (tmp_path / "ml.zip").write_bytes(raw)
    refused(describe(tmp_path / "ml.zip"), 4, "'ratings.dat' of 2147483648 bytes", "the limit")


class Owned:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["events.pkl", "events.csv", "events.npy"])
def test_a_pickle_as_data_is_never_unpickled(describe, refused, tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(Owned(tmp_path / "owned")))
    refused(describe(tmp_path / name), 4, name)
    assert not (tmp_path / "owned").exists()


def test_pickled_objects_in_prepared_data_are_never_unpickled(
    describe, refused, csv, events, fedrec_home, tmp_path
):
    assert describe(csv(events)).code == 0
    [folder] = (fedrec_home / "prepared").glob("[!.]*")
    np.save(folder / "items.npy", np.array([Owned(tmp_path / "owned")]), allow_pickle=True)
    refused(describe(folder), 4, str(folder), "is damaged", "prepare again")
    assert not (tmp_path / "owned").exists()


@pytest.fixture
def files_end_at():
    """``files_end_at(bytes)``: no file may grow beyond it, as on a disk that is full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_while_data_are_prepared_leaves_nothing(
    describe, refused, csv, events, files_end_at, fedrec_home
):
    path = csv(events)
    files_end_at(1000)
    refused(describe(path), 5, f"cannot write prepared data to {fedrec_home}", "File too large")
    files_end_at(-1)
    assert describe(path).code == 0


def test_a_full_disk_while_a_run_is_written_ends_it_with_5(
    run, describe, csv, events, files_end_at, fedrec_home
):
    path = csv(events)
    assert run(path).code == 0  # prepares; the next run writes its own folder alone
    files_end_at(4000)
    ended = run(path, "run.name=second")
    files_end_at(-1)
    assert ended.code == 5, ended.errors
    assert ended.errors.startswith("error: ")
    assert ended.errors.count("\n") == 1
    assert "cannot be written: File too large" in ended.errors
    assert not [path for path in ended.left if path.endswith("model.safetensors")]
    about = json.loads((fedrec_home / "runs" / "second" / "run.json").read_text())
    assert (about["status"], about["exit_code"]) == ("failed", 5)
    assert run(path, "run.name=second", "run.overwrite=true").code == 0


@pytest.mark.parametrize("place", ["/proc/runs/mine", "/dev/null/mine"])
def test_a_place_where_nobody_may_write_is_refused(run, refused, csv, events, place):
    if not os.path.exists(os.path.dirname(os.path.dirname(place))):
        pytest.skip(f"no {place} here")
    refused(run(csv(events), f"run.dir={place}"), 2, f"run folder {place}: ", "--out or run.dir")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(run, refused, csv, events, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    ended = run(csv(events), f"run.dir={tmp_path / 'locked' / 'run'}")
    refused(ended, 2, f"run folder {tmp_path / 'locked' / 'run'}: Permission denied", "--out")
