"""What a dataset and its partition look like, for ``fedrec data describe``."""

from collections.abc import Iterator

import numpy as np
from rich.table import Table
from rich.text import Text

from fedrec.config.config import Config
from fedrec.data.domains import Domains
from fedrec.data.partitions.divergence import divergence_of
from fedrec.data.preparation.store import Dataset
from fedrec.data.readers.columns.usual_names import GUESSED
from fedrec.data.sequences import Sequences
from fedrec.data.splits import targets
from fedrec.factory.data import open_prepared
from fedrec.factory.fit_defaults import fit_defaults
from fedrec.runs.plain_text import plain
from fedrec.training.batches import MIN_TRAINING_EVENTS


def _domains(domains: Domains, sequences: Sequences) -> Table:
    """Users, items and events of each domain."""
    table = Table(title=Text("catalogues of their own"))
    for header in ("domain", "users", "items", "events"):
        table.add_column(header, justify="left" if header == "domain" else "right")
    events = np.bincount(domains.of_user, weights=sequences.lengths())
    for number, name in enumerate(domains.names):
        users, items = int(np.sum(domains.of_user == number)), len(domains.catalogues[number])
        table.add_row(plain(name), f"{users:,}", f"{items:,}", f"{events[number]:,.0f}")
    return table


def describe(config: Config) -> Iterator[Table | Text | str]:
    """Sizes, notes of the loader, and the users, events and tastes of each partition.

    Raises:
        FedrecError: The data cannot be read or not partitioned so.
    """
    config = fit_defaults(config)
    prepared = open_prepared(config)
    dataset, whole, view = prepared.dataset, prepared.full_training, prepared.view
    sequences = dataset.sequences
    lengths = sequences.lengths()
    yield (
        f"{plain(dataset.name)}: {sequences.num_users:,} users, "
        f"{dataset.catalog.num_items:,} items, {sequences.num_events:,} events; "
        f"{lengths.min()} to {lengths.max():,} a user, median {np.median(lengths):.0f}"
    )
    if dataset.domains is not None:
        yield _domains(dataset.domains, sequences)
    for what, count in dataset.manifest.get("skipped", {}).items():
        if count:
            yield f"left out or repaired: {count:,} {what}"
    facts = dataset.manifest.get("facts", {})
    for note in [*facts.get("notes", []), *dataset.manifest.get("notes", [])]:
        if GUESSED not in note:  # said already
            yield Text.assemble(("warning:", "yellow"), " ", plain(note))
    if view.before_test is not None:
        yield _about_scenario(dataset, whole, view.training, view.before_test)
    assignment = prepared.assignment
    table = Table(
        title=Text(f"{config.partition.count} partitions by {plain(config.partition.by)}")
    )
    for header in ("partition", "users", "training events", "events a user"):
        table.add_column(header, justify="right")
    trained = view.training.lengths()
    for number in range(config.partition.count):
        mine = trained[assignment == number]
        table.add_row(str(number), f"{len(mine):,}", f"{mine.sum():,}", f"{mine.mean():.1f}")
    yield table
    found = divergence_of(assignment, config.partition.by, prepared.partition_facts)
    yield f"divergence of tastes: {found.bits:.5f} bits, {found.words}"
    yield f"  (mean Jensen-Shannon divergence of a partition's {found.of} to all)"
    yield "as many partitions of the same users:"
    for name, bits in found.examples.items():
        yield f"  {bits:.5f} {name}"


def _about_scenario(
    dataset: Dataset, whole: Sequences, training: Sequences, before_test: Sequences
) -> str:
    """What a scenario hides, in numbers."""
    sequences, num_items = dataset.sequences, dataset.catalog.num_items
    counts = np.bincount(training.items, minlength=num_items + 1)
    cold = int((counts[targets(sequences, "test")] == 0).sum())
    return (
        f"scenario: {training.num_events:,} of {whole.num_events:,} training "
        f"events are in the training view; {int((counts[1:] == 0).sum()):,} items are cold (never "
        f"seen in training), targets of {cold:,} users in the test; "
        f"{int((training.lengths() < MIN_TRAINING_EVENTS).sum()):,} users have nothing to train "
        f"on, {int((before_test.lengths() == 0).sum()):,} nothing to be read before the test"
    )
