"""Why a client could not answer, as it travels."""

import errno

import pytest

from clients.errors import failure_metadata
from fedrec import protocol
from fedrec.errors import LONGEST, DataError, FedrecError, ResourceError


@pytest.mark.parametrize("length", [399, 400, 401])
def test_a_reason_that_is_not_ours_has_400_characters_at_most(length):
    text = "ValueError: " + "x" * (length - len("ValueError: "))
    reason = failure_metadata(ValueError(text.removeprefix("ValueError: ")))[protocol.ERROR]
    assert reason == (text if length <= 400 else text[:400] + " ...")


def test_a_reason_of_ours_travels_whole():
    metadata = failure_metadata(DataError("x" * LONGEST))
    assert metadata == {protocol.ERROR: "x" * LONGEST, protocol.EXIT_CODE: DataError.exit_code}


def test_a_fault_of_the_code_is_one_line_with_its_traceback_beside_it():
    try:
        raise RuntimeError("two\n  lines")
    except RuntimeError as error:
        metadata = failure_metadata(error)
    assert metadata[protocol.ERROR] == "RuntimeError: two lines"
    assert metadata[protocol.EXIT_CODE] == FedrecError.exit_code
    assert metadata[protocol.TRACEBACK].startswith("Traceback (most recent call last)")
    assert metadata[protocol.TRACEBACK].endswith("RuntimeError: two\n  lines\n")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            OSError(errno.ENOSPC, "No space left", "/disk/a"),
            "its machine refused: /disk/a: No space left",
        ),
        (OSError(errno.EMFILE, "Too many open files"), "its machine refused: Too many open files"),
        (
            MemoryError(),
            "its machine ran out of memory; lower local.batch-size or run fewer workers",
        ),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            "its machine ran out of memory; lower local.batch-size or run fewer workers",
        ),
    ],
)
def test_what_the_machine_lacks_is_told_without_a_traceback(error, reason):
    assert failure_metadata(error) == {
        protocol.ERROR: reason,
        protocol.EXIT_CODE: ResourceError.exit_code,
    }


def test_a_file_that_is_not_there_is_no_lack_of_the_machine():
    metadata = failure_metadata(FileNotFoundError(errno.ENOENT, "No such file", "/a"))
    assert metadata[protocol.EXIT_CODE] == FedrecError.exit_code
    assert protocol.TRACEBACK in metadata


def test_half_a_surrogate_pair_in_a_file_name_is_written_out():
    metadata = failure_metadata(DataError("caf\udce9.csv"))
    assert metadata[protocol.ERROR] == "caf\\udce9.csv"
