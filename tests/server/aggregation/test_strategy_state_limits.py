"""State of strategies that no checkpoint can hold, state dicts, secrets."""

import functools
import inspect

import numpy as np
import pytest
from flwr.serverapp.strategy import FedAvg

from fedrec.errors import ConfigError, DataError
from server.aggregation.strategies import make_strategy
from server.aggregation.strategy_state import restore, snapshot
from server.checkpoints.content import Checkpoint, from_files, to_files
from server.state.server_state import ServerState
from tests.server.aggregation.test_strategy_state import Keeps, through_files


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.random.default_rng(0), r"'value' \(Generator\)"),
        ({"deep": [1, {2}]}, r"'value/deep/1' \(set\)"),
        (np.array([None]), r"'value' \(ndarray of object\)"),
        (np.ma.masked_array([1.0]), r"'value' \(MaskedArray\)"),
        (np.random.default_rng(0).choice, r"'value' \(method\)"),
        (functools.partial(np.random.default_rng(0).choice, 5), r"'value' \(partial\)"),
        ([print], r"'value/0' \(builtin_function_or_method\)"),
    ],
)
def test_what_a_checkpoint_cannot_hold_is_refused_by_name(value, shown):
    with pytest.raises(ConfigError, match=rf"^strategy Keeps holds {shown}, which a checkpoint "):
        snapshot(Keeps(value))


def test_the_refusal_says_what_to_do():
    with pytest.raises(ConfigError, match=r"give it state_dict and load_state_dict, or set run\."):
        snapshot(Keeps(object()))


def double(value):
    return 2 * value


@pytest.mark.parametrize("value", [double, lambda x: x, np.maximum, len, functools.partial(double)])
def test_a_function_of_the_constructor_is_left_where_it_is(value):
    again = Keeps(value)
    restore(again, through_files(snapshot(Keeps(value)), {})[0])
    assert again.value is value


def test_a_function_that_was_exchanged_later_is_refused():
    with pytest.raises(ConfigError, match=r"Keeps got its 'value' \(.*double\) after it was made"):
        restore(Keeps(inspect.getdoc), snapshot(Keeps(double)))


class Counts(FedAvg):
    """Says itself what it needs, and hides a generator."""

    def __init__(self):
        super().__init__()
        self.rng, self.draws = np.random.default_rng(0), 0

    def draw(self):
        self.draws += 1
        return self.rng.random()

    def state_dict(self):
        return {"draws": self.draws, "rng": str(self.rng.bit_generator.state)}

    def load_state_dict(self, state):
        for _ in range(state["draws"]):
            self.draw()
        assert state["rng"] == str(self.rng.bit_generator.state)


def test_a_strategy_with_a_state_dict_is_asked():
    counts = Counts()
    counts.draw()
    again = Counts()
    restore(again, through_files(snapshot(counts), {})[0])
    assert (again.draws, again.draw()) == (1, counts.draw())


def test_one_half_of_the_pair_is_not_enough():
    class Half(FedAvg):
        def state_dict(self):
            return {}

    class Other(FedAvg):
        def load_state_dict(self, state):
            pass

    with pytest.raises(ConfigError, match=r"Half has state_dict without load_state_dict; a chec"):
        snapshot(Half())
    with pytest.raises(ConfigError, match=r"Other has load_state_dict without state_dict; a chec"):
        snapshot(Other())


def test_the_state_of_another_strategy_is_refused():
    saved = snapshot(make_strategy("fedadam", ""))
    with pytest.raises(DataError, match=r"of strategy .*FedAdam, but the run uses .*FedYogi$"):
        restore(make_strategy("fedyogi", ""), saved)


@pytest.mark.parametrize("has_state_dict", [False, True])
def test_a_secret_is_not_in_the_files_and_comes_back(has_state_dict):
    class Says(Keeps):
        def state_dict(self):
            return {"value": self.value}

        def load_state_dict(self, state):
            self.value = state["value"]

    secrets = {"api-key": "hunter2", "other-key": "hunter22"}
    value = ["hunter2", "a hunter2, a hunter22 and hunter", {"hunter22": ("hunter2",)}, "", 3]
    kind = Says if has_state_dict else Keeps
    saved = snapshot(kind(value), secrets)
    files = to_files(Checkpoint(line={"round": 1}, state=ServerState({}), strategy=saved))
    assert not any(b"hunter2" in content for content in files.values())
    again = kind(None)
    restore(again, from_files(files.__getitem__).strategy, secrets)
    assert again.value == value
