"""Limits of sizes at their bounds: what is just allowed, and what is one too many."""

import io
import json
import tarfile
import zipfile

import pytest

import fedrec.data.readers.raw.archives as archives
from fedrec.data.readers.amazon_products import product_catalog
from fedrec.data.readers.html import plain_text
from fedrec.data.readers.raw.archives import list_files, read_files
from fedrec.data.readers.raw.csv_text import clean_texts, read_csv
from fedrec.data.readers.raw.json_lines import read_lines, read_records
from fedrec.errors import DataError

MIB = 1 << 20


def test_a_field_of_a_csv_has_16_mib_at_most():
    longest = "x" * (16 * MIB)
    for field in (longest[1:], longest):
        table = read_csv(f'user,item\nu,"{field}"\n', name="a.csv")
        assert len(table.columns["item"][0]) == len(field)
    with pytest.raises(DataError, match=r"a\.csv, line 2: .*field larger than field limit"):
        read_csv(f'user,item\nu,"{longest}x"\n', name="a.csv")


@pytest.mark.parametrize(("length", "kept"), [(9_999, 9_999), (10_000, 10_000), (10_001, 10_000)])
@pytest.mark.parametrize("letter", ["x", "\u202b"])  # printable or not takes another way
def test_a_text_has_10_000_characters_at_most(length, kept, letter):
    texts, counts = clean_texts([letter * length])
    assert len(texts[0]) == kept
    assert counts == ({"texts cut at 10000": 1} if length > kept else {})


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_of_records_has_4_mib_at_most_its_end_included(packed):
    import gzip

    def text_of(size):
        line = json.dumps({"a": "x" * (size - len(json.dumps({"a": ""})) - 1)}) + "\n"
        assert len(line) == size
        data = line.encode() + b'{"b": 1}\n'
        return gzip.compress(data, 1) if packed else data

    for size in (4 * MIB - 1, 4 * MIB):
        records = list(read_records(text_of(size), name="a.json"))
        assert [number for number, _ in records] == [1, 2]
    with pytest.raises(DataError, match=r"a\.json, line 1: longer than 4194304 bytes"):
        list(read_lines(text_of(4 * MIB + 1), name="a.json"))


@pytest.mark.parametrize("length", [39_999, 40_000, 40_001])
def test_40_000_characters_of_markup_are_looked_at(length):
    text = "<b>" + "x" * (length - 4) + "y"
    assert plain_text(text) == (text[3:] if length <= 40_000 else text[3:-1])


@pytest.mark.parametrize(("length", "is_read"), [(MIB - 1, True), (MIB, True), (MIB + 1, False)])
def test_a_printed_list_is_read_up_to_1_mib(length, is_read):
    text = "['y', '" + "x" * (length - 9) + "']"
    assert len(text) == length
    assert plain_text(text).startswith("y x" if is_read else "['y'")


@pytest.mark.parametrize(("number", "kept"), [(63, 63), (64, 64), (65, 64)])
def test_a_catalogue_has_64_genres_at_most(number, kept):
    records = {str(n): {"categories": [["Beauty", f"kind {n:02}"]]} for n in range(number)}
    catalog, _ = product_catalog(list(records), records)
    assert len(catalog.genre_names()) == kept


@pytest.mark.parametrize(("length", "is_genre"), [(0, 0), (1, 1), (39, 1), (40, 1), (41, 0)])
def test_the_name_of_a_genre_has_1_to_40_characters(length, is_genre):
    records = {"1": {"categories": [["Beauty", "x" * length]]}}
    catalog, _ = product_catalog(["1"], records)
    assert len(catalog.genres[0]) == is_genre


def archive_of(path, sizes):
    """A zip or tar whose members have these sizes."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, size in enumerate(sizes):
                archive.writestr(f"m{number}", bytes(size))
        return path
    with tarfile.open(path, "w") as archive:
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f"m{number}")
            member.size = size
            archive.addfile(member, io.BytesIO(bytes(size)))
    return path


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
@pytest.mark.parametrize("size", [999, 1_000])
def test_a_member_may_be_as_large_as_the_limit(tmp_path, suffix, size):
    path = archive_of(tmp_path / f"a{suffix}", [size])
    assert len(read_files(path, ["m0"], max_file_bytes=1_000)["m0"]) == size
    with pytest.raises(DataError, match=f"'m0' of {size} bytes, the limit is {size - 1}"):
        read_files(path, ["m0"], max_file_bytes=size - 1)


def test_a_file_of_a_folder_may_be_as_large_as_the_limit(tmp_path):
    (tmp_path / "m0").write_bytes(bytes(1_000))
    for limit in (1_001, 1_000):
        assert read_files(tmp_path, ["m0"], max_file_bytes=limit) == {"m0": bytes(1_000)}
    with pytest.raises(DataError, match="m0 has 1000 bytes, the limit is 999"):
        read_files(tmp_path, ["m0"], max_file_bytes=999)


def test_the_members_of_a_zip_may_have_the_limit_together(tmp_path):
    path = archive_of(tmp_path / "a.zip", [600, 400])
    for limit in (1_001, 1_000):
        assert list_files(path, max_total_bytes=limit) == ["m0", "m1"]
    with pytest.raises(DataError, match="unpacks to 1000 bytes in 2 or more files"):
        list_files(path, max_total_bytes=999)


def test_the_end_of_a_tar_counts_as_its_members_do(tmp_path):
    path = archive_of(tmp_path / "a.tar", [512])
    # Headers are not counted. Behind the one member tar fills up to 10,240 bytes with zeros, of
    # which tarfile has read one block of 512 bytes to see that the archive ends.
    rest = 10_240 - 512 - 512 - 512
    for limit in (512 + rest + 1, 512 + rest):
        assert list_files(path, max_total_bytes=limit) == ["m0"]
    with pytest.raises(DataError, match=f"unpacks to more than {512 + rest - 1} bytes"):
        list_files(path, max_total_bytes=512 + rest - 1)


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_an_archive_may_have_as_many_members_as_the_limit(tmp_path, suffix, monkeypatch):
    assert archives.MAX_MEMBERS == 100_000
    path = archive_of(tmp_path / f"a{suffix}", [1, 1, 1])
    for limit in (4, 3):
        monkeypatch.setattr(archives, "MAX_MEMBERS", limit)
        assert len(list_files(path)) == 3
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(DataError, match=r"in 3 or more files, the limits are .* and 2"):
        list_files(path)


def test_a_member_has_1_gib_and_all_together_2_gib_where_nothing_else_is_said(tmp_path):
    def claiming(*sizes):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for number, size in enumerate(sizes):
                archive.writestr(f"m{number}", b"")
                archive.filelist[-1].file_size = size  # as the list at the archive's end says
        return path

    assert list_files(claiming(1 << 30, 1 << 30)) == ["m0", "m1"]
    with pytest.raises(DataError, match="the limit is 1073741824"):
        list_files(claiming((1 << 30) + 1))
    with pytest.raises(DataError, match="unpacks to 2147483649 bytes"):
        list_files(claiming(1 << 30, 1 << 30, 1))
