"""Signals of a config's items by rules over their words, where no language model is asked."""

import datetime
from pathlib import Path

from experiments.signals import Asking, Written
from fedrec.config.config import Config
from fedrec.config.values.choices import names_in
from fedrec.factory.data import open_prepared
from fedrec.runs.directory import locked
from fedrec.semantics.signals import rules as rules_file
from fedrec.semantics.signals import store


def write_by_rules(config: Config, asking: Asking, folder: Path) -> Written:
    """Write signals by rules over the words of the items; no language model, no report.

    Raises:
        FedrecError: Data, kinds or folder cannot be used.
    """
    rules, digest = rules_file.read_rules(asking.kinds)
    dataset = open_prepared(config).dataset
    catalog = dataset.catalog
    fields = names_in(config.semantics.fields)
    by_item = rules_file.rule_signals(catalog, fields, rules)
    kept = dict(list(by_item.items())[: asking.limit])
    outcomes = {"signals": len(kept), "no rule": catalog.num_items - len(by_item)}
    header = {
        "dataset": dataset.name,
        "model": rules_file.NAME,
        "revision": rules_file.VERSION,
        "prompt_sha256": digest,
        "kinds": list(asking.kinds),
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        "items": catalog.num_items,
        "counts": outcomes,
    }
    with locked(folder):
        store.write_signals(folder / store.NAME, header, kept)
    return Written(path=folder / store.NAME, report=None, counts=outcomes, stopped="")
