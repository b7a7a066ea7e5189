import io
import stat
import tarfile
import zipfile

import pytest

from fedrec.data.readers.raw.archives import list_files, read_files
from fedrec.errors import DataError


def zip_of(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tar_of(path, *members):
    with tarfile.open(path, "w:xz") as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    return path


def member_of(name, data=b"", kind=tarfile.REGTYPE, target=""):
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(data), kind, target
    return member, data


def test_files_of_a_zip_and_of_a_tar_are_listed_and_read(tmp_path):
    packed = [
        zip_of(tmp_path / "a.zip", {"d/b.txt": b"2", "d/a.txt": b"1"}),
        tar_of(tmp_path / "a.tar.xz", member_of("d/b.txt", b"2"), member_of("d/a.txt", b"1")),
    ]
    for path in packed:
        assert list_files(path) == ["d/a.txt", "d/b.txt"]
        assert read_files(path, ["d/b.txt"]) == {"d/b.txt": b"2"}


def test_a_folder_lists_its_top_level(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"1")
    (tmp_path / "deep").mkdir()
    assert list_files(tmp_path) == ["a.txt"]
    assert read_files(tmp_path, ["a.txt"]) == {"a.txt": b"1"}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/passwd", "C:/evil", "..\\evil"])
def test_names_that_leave_the_archive_are_refused(tmp_path, name):
    packed = [
        zip_of(tmp_path / "a.zip", {"good": b"1", name: b"2"}),
        tar_of(tmp_path / "a.tar.xz", member_of("good", b"1"), member_of(name, b"2")),
    ]
    for path in packed:
        with pytest.raises(DataError, match="a name outside the archive"):
            read_files(path, ["good"])


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    path = tar_of(tmp_path / "a.tar.xz", member_of("ratings.dat", kind=kind, target="good"))
    with pytest.raises(DataError, match="a link or device"):
        list_files(path)


def test_links_in_a_zip_are_refused(tmp_path):
    info = zipfile.ZipInfo("ratings.dat")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="a link or device"):
        list_files(tmp_path / "a.zip")


def test_bombs_are_refused_before_they_unpack(tmp_path):
    zeros = b"\0" * 200_000
    packed = [
        zip_of(tmp_path / "a.zip", {"bomb": zeros}),
        tar_of(tmp_path / "a.tar.xz", member_of("bomb", zeros)),
    ]
    for path in packed:
        assert path.stat().st_size < 2_000
        with pytest.raises(DataError, match="200000 bytes, the limit is 1000"):
            read_files(path, ["bomb"], max_file_bytes=1_000)


def test_many_small_files_are_a_bomb_too(tmp_path):
    path = zip_of(tmp_path / "a.zip", {f"f{n}": b"x" * 500 for n in range(5)})
    with pytest.raises(DataError, match="unpacks to 1500 bytes"):
        list_files(path, max_total_bytes=1_200)


def test_a_truncated_or_flipped_archive_is_refused(tmp_path):
    data = bytes(range(256)) * 2
    whole = zip_of(tmp_path / "a.zip", {"a": data}).read_bytes()
    tarred = tar_of(tmp_path / "a.tar.xz", member_of("a", data)).read_bytes()
    flipped = whole[:90] + bytes([whole[90] ^ 1]) + whole[91:]
    cases = [("b.zip", whole[:-30]), ("c.zip", flipped), ("d.tar.xz", tarred[:-40]), ("e.zip", b"")]
    for name, data in cases:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=r"not a whole archive.*data\.source"):
            read_files(tmp_path / name, ["a"])


def test_a_name_that_is_not_there_shows_what_is(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a": b""})
    with pytest.raises(DataError, match=r"does not hold 'b'; it holds \['a'\]"):
        read_files(path, ["b"])


def test_a_path_that_does_not_exist_names_the_key(tmp_path):
    with pytest.raises(DataError, match=r"does not exist; set data\.source"):
        list_files(tmp_path / "none.zip")
