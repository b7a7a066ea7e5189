"""Signals as text columns of a catalogue, and the controls that take their place.

A column is called ``signal-`` and its kind, so that ``semantics.fields`` and ``model.views`` name
it like any other.
"""

from dataclasses import replace

from fedrec.data.catalog import Catalog
from fedrec.errors import ConfigError
from fedrec.randomness import derangement, generator
from fedrec.semantics.signals.store import Signals
from fedrec.semantics.texts import title_and_year

PREFIX = "signal-"
GENERIC = "A good product that many people use and are happy with."  # says nothing of any item


def column_of(kind: str) -> str:
    """The column of a kind of signals."""
    return f"{PREFIX}{kind}"


def with_signals(catalog: Catalog, signals: Signals, *, control: str, seed: int) -> Catalog:
    """Add the signals of a file to a catalogue, a text column for each kind.

    Items are joined by their original id. An item without a signal of a kind has an empty text
    there, under every control.

    Args:
        catalog: Catalogue of the V items.
        signals: Signals by original item id.
        control: "none", or what stands in the place of each signal: "shuffled" (the signals of
            another item), "generic" (one sentence for all) or "title" (the item's own title).
        seed: Seed of the run, by which "shuffled" permutes.

    Raises:
        ConfigError: No item of the catalogue has a signal.
    """
    known = [place for place, item in enumerate(catalog.item_ids) if signals.by_item.get(item)]
    if not known:
        raise ConfigError(
            f"semantics.signals has signals of {len(signals.by_item):,} items, of which none is in "
            f"this catalogue of {catalog.num_items:,} items; it was written for the dataset "
            f"{signals.header.get('dataset', 'unknown')!r}"
        )
    of = {place: signals.by_item[catalog.item_ids[place]] for place in known}
    if control == "shuffled":
        others = derangement(generator(seed, "semantics", "signals"), len(known))
        of = {place: of[known[other]] for place, other in zip(known, others, strict=True)}
    columns = dict(catalog.columns)
    for kind in signals.kinds:
        texts = [""] * catalog.num_items
        for place, words in of.items():
            if words.get(kind):
                texts[place] = _said(control, words[kind], catalog, place)
        columns[column_of(kind)] = texts
    return replace(catalog, columns=columns)


def _said(control: str, signal: str, catalog: Catalog, place: int) -> str:
    if control == "generic":
        return GENERIC
    if control == "title":
        return title_and_year(catalog.titles[place], None)[0] or signal
    return signal
