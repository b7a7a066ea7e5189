"""The list of layouts: every reader in it keeps the contract, every name stands once."""

import inspect

import pytest

from fedrec.data.readers.detect import FORMATS, LAYOUTS, READERS, find_layout
from fedrec.data.readers.raw.archives import Listing
from fedrec.errors import DataError


def test_every_layout_has_one_reader_and_every_format_one_name():
    names = [layout for reader in READERS for layout in reader.LAYOUTS]
    assert list(LAYOUTS) == names
    assert len(set(FORMATS)) == len(FORMATS)
    assert FORMATS[0] == "auto"
    assert set(FORMATS) == {"auto", *names, "csv", "parquet", "jsonl", "excel"}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_every_reader_has_the_same_two_functions(reader):
    assert list(inspect.signature(reader.detect).parameters) == ["listing"]
    assert list(inspect.signature(reader.load).parameters) == ["files", "names", "layout"]
    assert inspect.getdoc(reader.detect)
    assert inspect.getdoc(reader.load)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_a_place_without_files_has_no_layout(reader, tmp_path):
    assert reader.detect(Listing(tmp_path, ())) is None


def test_a_folder_of_no_layout_lists_what_could_be_there(tmp_path):
    with pytest.raises(DataError, match=r"holds none of the layouts, expected ml-1m, .*recbole"):
        find_layout(tmp_path, "auto")


def test_a_layout_other_than_asked_for_names_both(tmp_path):
    (tmp_path / "x.inter").write_text("user_id:token\titem_id:token\n1\t2\n")
    with pytest.raises(DataError, match="holds the layout recbole, expected sequences"):
        find_layout(tmp_path, "sequences")
    found = find_layout(tmp_path, "recbole")
    assert found is not None
    assert (found.layout, found.name, found.members) == ("recbole", "x", {"events": "x.inter"})
