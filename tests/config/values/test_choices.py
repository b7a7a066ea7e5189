"""The closed lists of the config name exactly what the code implements."""

import pytest

from fedrec.config.values import choices
from fedrec.data.preparation.download import RELEASES
from fedrec.data.readers.detect import LAYOUTS
from fedrec.evaluation.protocols import describe
from fedrec.models.losses import LOSSES
from fedrec.models.parameters import PRIVATE_NAMES
from fedrec.training.updates.quantization import BYTES


@pytest.mark.parametrize(
    ("listed", "implemented"),
    [
        (choices.MOVIELENS, RELEASES),
        (choices.LOSSES, LOSSES),
        (choices.PRIVATE_PARTS, PRIVATE_NAMES),
        (choices.UPLOAD_TYPES, BYTES),
    ],
)
def test_every_word_of_a_list_is_implemented_and_every_implementation_listed(listed, implemented):
    assert len(set(listed)) == len(listed)
    assert set(listed) == set(implemented)


def test_datasets_that_are_layouts_are_read_as_such():
    assert set(choices.MOVIELENS) <= set(LAYOUTS)


@pytest.mark.parametrize("protocol", choices.PROTOCOLS)
def test_every_protocol_can_be_described(protocol):
    assert "held-out item" in describe(protocol, 100)


def test_sources_are_separated_by_a_plus_between_spaces():
    assert choices.sources_in("a+b.csv + ml-1m") == ("a+b.csv", "ml-1m")
    assert choices.sources_in("ml-1m +") == ("ml-1m", "")
