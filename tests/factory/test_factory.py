"""What a config's words about views and meanings come to, in every combination."""

from itertools import combinations

import numpy as np
import pytest
import torch

from fedrec.config.values.choices import VIEWS
from fedrec.factory.data import open_prepared
from fedrec.factory.model import make_model
from fedrec.factory.table import needs_table, open_table
from fedrec.runs.record import load
from fedrec.semantics.whitening import pca_rows

SUBSETS = [",".join(views) for count in (1, 2, 3) for views in combinations(VIEWS, count)]


@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("start", ["text", "random"])
@pytest.mark.parametrize("views", SUBSETS)
def test_every_combination_of_views_starts_and_whitening_makes_a_model(
    small_home, small_config, views, start, whiten
):
    told = {"model.views": views, "model.identity-start": start, "semantics.whiten": whiten}
    config = small_config(told)
    catalog = open_prepared(config).dataset.catalog
    table = open_table(config, catalog)
    starts_from_text = "identity" in views and start == "text"
    assert needs_table(config) == (table is not None) == ("semantic" in views or starts_from_text)
    model = make_model(config, catalog, table, np.zeros(catalog.num_items + 1, dtype=np.int64))
    assert model.view_names == tuple(views.split(","))
    if "identity" in views:
        rows = model.views["identity"].rows.detach().numpy()
        from_text = table is not None and np.array_equal(rows, pca_rows(table.vectors, 8))
        assert from_text == starts_from_text
    if table is not None:
        norms = np.linalg.norm(table.vectors[1:], axis=1)
        assert np.allclose(norms, 1, atol=1e-5) != whiten  # raw rows are of norm 1 each
    with torch.no_grad():
        vectors = model.output_vectors(model.look_up(torch.arange(1, catalog.num_items + 1)))
    assert (vectors.norm(dim=1) > 0).all()


@pytest.mark.parametrize(
    ("unit", "mix", "views"),
    [
        ("partition", "context", "identity"),
        ("user", "attention", "identity,semantic"),
        ("user", "item", "semantic,content"),
    ],
)
def test_federations_of_other_mixes_run_and_tell_what_weighs_how_much(
    run_inline, small_config, unit, mix, views
):
    told = {
        "model.fusion": mix,
        "model.views": views,
        "federation.rounds": 1,
        "federation.unit": unit,
        "local.optimizer-state": "reset",
        "semantics.whiten": False,
    }
    run = load(run_inline(small_config(told)))
    assert run.status == "done"
    if views == "identity":
        assert run.metrics["gates"] is None
    else:
        assert run.metrics["gates"]["views"] == views.split(",")
