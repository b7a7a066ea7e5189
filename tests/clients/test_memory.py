import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.memory import Memory, joined_state, split_state
from fedrec.errors import ResourceError

TOKEN = "0123456789abcdef"


def arrays(value: float) -> dict[str, np.ndarray]:
    return {"parameter/gate.bias": np.full(3, value, dtype=np.float32)}


def files_of(memory):
    return sorted(path.name for path in memory.folder.iterdir())


def test_what_was_written_after_a_round_is_read_by_its_number():
    memory = Memory(TOKEN, 3)
    memory.write(1, arrays(1), accepted=0)
    memory.write(2, arrays(2), accepted=1)
    np.testing.assert_array_equal(memory.read(2)["parameter/gate.bias"], [2, 2, 2])
    np.testing.assert_array_equal(memory.read(1)["parameter/gate.bias"], [1, 1, 1])


def test_before_the_first_accepted_round_there_is_nothing():
    assert Memory(TOKEN, 3).read(0) == {}


def test_two_generations_are_kept():
    memory = Memory(TOKEN, 3)
    for number in range(1, 6):
        memory.write(number, arrays(number), accepted=number - 1)
    assert files_of(memory) == ["round-00004.safetensors", "round-00005.safetensors"]


def test_the_accepted_round_is_kept_however_many_replies_are_lost():
    memory = Memory(TOKEN, 3)
    memory.write(2, arrays(2), accepted=0)
    for number in (3, 4, 9):
        memory.write(number, arrays(number), accepted=2)
    assert files_of(memory) == ["round-00002.safetensors", "round-00009.safetensors"]


def test_a_file_that_is_gone_is_an_error_and_no_fresh_start():
    memory = Memory(TOKEN, 3)
    with pytest.raises(ResourceError, match=r"private file of round 4 is missing in .*emptied"):
        memory.read(4)


def test_partitions_and_runs_do_not_meet():
    folders = {
        Memory(token, partition).folder for token in (TOKEN, TOKEN[::-1]) for partition in (0, 1)
    }
    assert len(folders) == 4


def test_forgetting_leaves_nothing():
    one, other = Memory(TOKEN, 3), Memory(TOKEN, 4)
    one.write(1, arrays(1), accepted=0)
    other.write(1, arrays(1), accepted=0)
    one.forget()
    assert not one.folder.exists()
    assert other.folder.exists()
    one.forget()  # a second time is no error


@pytest.mark.parametrize("token", ["../../etc/cron", "", "XYZ", "0" * 7, "0" * 65, "0123456 "])
def test_fault_44_a_token_that_is_no_hexadecimal_name_is_refused(token):
    with pytest.raises(ResourceError, match="run token must be 8 to 64 hexadecimal digits"):
        Memory(token, 0)


NAMES = st.dictionaries(st.text("abc./", min_size=1, max_size=9), st.just(np.zeros(1)), max_size=4)


@given(NAMES, NAMES)
def test_joined_state_comes_apart_again(parameters, optimizer):
    found = split_state(joined_state(parameters, optimizer))
    assert [part.keys() for part in found] == [parameters.keys(), optimizer.keys()]
