"""Signals joined to a catalogue by item id, and the controls in their place."""

import pytest

from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError
from fedrec.semantics.signals.columns import GENERIC, with_signals
from fedrec.semantics.signals.store import Signals

CATALOG = Catalog(
    item_ids=["a", "b", "c", "d"],
    titles=["Postman, The (1997)", "Soap", "Lamp", ""],
    genres=[()] * 4,
    years=[None] * 4,
    descriptions=[""] * 4,
    columns={"brand": ["w", "x", "y", "z"]},
)
SIGNALS = Signals(
    header={"kinds": ["usage", "theme"], "dataset": "made up"},
    by_item={
        "c": {"usage": "To read by.", "theme": "Light."},
        "a": {"usage": "For an evening."},
        "d": {"usage": "Unknown use."},
        "elsewhere": {"usage": "Not here."},
    },
)


def joined(control: str = "none", seed: int = 0) -> dict[str, list[str]]:
    return with_signals(CATALOG, SIGNALS, control=control, seed=seed).columns


def test_each_kind_is_a_column_joined_by_the_original_id():
    assert joined() == {
        "brand": ["w", "x", "y", "z"],
        "signal-usage": ["For an evening.", "", "To read by.", "Unknown use."],
        "signal-theme": ["", "", "Light.", ""],
    }
    assert list(CATALOG.columns) == ["brand"]


@pytest.mark.parametrize("seed", range(8))
def test_shuffled_gives_every_item_all_signals_of_another_one(seed):
    own, others = joined(), joined("shuffled", seed)
    known = [0, 2, 3]
    assert all(others["signal-usage"][item] != own["signal-usage"][item] for item in known)
    assert sorted(others["signal-usage"]) == sorted(own["signal-usage"])
    assert others["signal-usage"][1] == ""  # who has none gets none
    with_theme = others["signal-usage"].index("To read by.")
    assert others["signal-theme"][with_theme] == "Light."  # the kinds of an item stay together


def test_controls_say_nothing_or_the_title_where_there_is_a_signal():
    assert joined("generic")["signal-usage"] == [GENERIC, "", GENERIC, GENERIC]
    assert joined("generic")["signal-theme"] == ["", "", GENERIC, ""]
    assert joined("title")["signal-usage"] == ["The Postman", "", "Lamp", "Unknown use."]


def test_signals_of_another_dataset_are_refused():
    other = Signals(header=SIGNALS.header, by_item={"x": {"usage": "Something."}})
    with pytest.raises(ConfigError, match=r"of 1 items, of which none .* dataset 'made up'"):
        with_signals(CATALOG, other, control="none", seed=0)
