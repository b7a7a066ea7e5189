"""Signals by rules over the words of items."""

import pytest

from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError
from fedrec.semantics.signals.rules import read_rules, rule_signals

CATALOG = Catalog(
    item_ids=["s", "n", "f", "x"],
    titles=["Gentle Shampoo, 12-Ounce", "OPI Nail Lacquer", "Alien (1979)", "Qwertz"],
    genres=[(), (), ("Horror", "Sci-Fi"), ()],
    years=[None] * 4,
    descriptions=[""] * 4,
)


def test_a_signal_holds_the_phrases_whose_words_occur():
    rules, _ = read_rules(["usage", "intent"])
    assert rule_signals(CATALOG, ["title", "genres"], rules) == {
        "s": {
            "usage": "For washing and conditioning hair.",
            "intent": "To be gentle to sensitive skin.",
        },
        "n": {"usage": "For painting nails."},
        "f": {
            "usage": "For being frightened; for imagining other worlds.",
            "intent": "To feel tension; to be thrilled.",
        },
    }


def test_every_rule_can_apply():
    rules, digest = read_rules(["theme", "usage", "intent"])
    assert len(digest) == 64
    assert list(rules) == ["theme", "usage", "intent"]
    for phrases in rules.values():
        for words in phrases.values():
            one = Catalog(["i"], [" ".join(words)], [()], [None], [""])
            assert rule_signals(one, ["title"], {"k": {"Said": [words[0]]}}) == {
                "i": {"k": "Said."}
            }


@pytest.mark.parametrize("kinds", [[], ["mood"], ["usage", "usage"]])
def test_kinds_without_rules_are_refused(kinds):
    with pytest.raises(ConfigError, match="--kinds takes each of usage, intent, theme once"):
        read_rules(kinds)
