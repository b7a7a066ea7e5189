"""A user's own view of items as "package.module:name" in model.views."""

import numpy as np
import pytest

import fedrec
from fedrec.config.user_code import client_code
from fedrec.errors import ConfigError
from fedrec.factory.checks import check_fit
from fedrec.factory.data import open_prepared
from fedrec.factory.model import make_model
from fedrec.factory.own_views import views_hash
from fedrec.runs.record import read_json
from tests.factory.own_views_of_items import initials

OWN = "tests.factory.own_views_of_items:"
VIEWS = f"identity,{OWN}initials"


def test_its_table_is_a_frozen_view_under_its_name(small_home, small_config):
    config = small_config({"model.views": VIEWS})
    catalog = open_prepared(config).dataset.catalog
    model = make_model(config, catalog, None, np.zeros(catalog.num_items + 1, dtype=np.int64))
    assert model.view_names == ("identity", "initials")
    np.testing.assert_array_equal(model.views["initials"].table.numpy(), initials(catalog))
    trained = [name for name, _ in model.named_parameters() if name.startswith("views.")]
    assert trained == ["views.identity.rows", "views.initials.adapter.weight"]


@pytest.mark.parametrize("unit", ["partition", "user"])
def test_a_run_with_it_tells_its_gate_weights_by_its_name(run_inline, small_config, unit):
    changes = {"model.views": VIEWS, "federation.rounds": 1, "federation.unit": unit}
    if unit == "user":
        changes |= {"federation.cohort": 8, "local.optimizer-state": "reset"}
    folder = run_inline(small_config(changes))
    assert read_json(folder / "metrics.json")["gates"]["views"] == ["identity", "initials"]


def test_a_new_item_has_no_view_of_that_kind(run_inline, small_config):
    views = f"{VIEWS},content"
    folder = run_inline(small_config({"model.views": views, "federation.rounds": 1}))
    ready = fedrec.open_recommender(folder, trust=True)
    with pytest.raises(ConfigError, match="the view 'initials', made of"):
        ready.with_items(titles=["New"], genres=[["Drama"]])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("doubles", r"must return a float32 array of shape \(\d+, S\), .* got float64 of shape"),
        ("short", r"must return a float32 array of shape \(58, S\), .* got float32 .* \(57, 2\)"),
        ("padded_with_ones", "finite numbers and zeros in row 0"),
        ("failing", "failed on the catalogue: AttributeError"),
        ("nothing", "cannot be imported"),
    ],
)
def test_what_is_no_view_ends_a_run_before_it_starts(small_home, small_config, name, message):
    with pytest.raises(ConfigError, match=message) as refused:
        check_fit(small_config({"model.views": f"identity,{OWN}{name}"}))
    assert "\n" not in str(refused.value)


def test_a_view_that_differs_between_clients_is_refused(run_inline, small_config):
    with pytest.raises(ConfigError, match="are different arrays on the SuperNodes") as raised:
        run_inline(small_config({"model.views": f"identity,{OWN}another_each_time"}))
    assert "\n" not in str(raised.value)


def test_a_view_that_is_another_on_the_server_is_refused(run_inline, small_config, monkeypatch):
    monkeypatch.setattr(
        "server.setup.inputs_hash",
        lambda config, catalog, model: views_hash({f"{OWN}initials": initials(catalog) * 2}),
    )
    with pytest.raises(ConfigError, match="are other arrays on the clients than") as raised:
        run_inline(small_config({"model.views": VIEWS}))
    assert "\n" not in str(raised.value)


def test_the_hash_of_views_covers_names_shapes_and_numbers():
    table = np.zeros((3, 2), dtype=np.float32)
    other = table.copy()
    other[1, 1] = 1e-30
    found = [
        views_hash(views)
        for views in (
            {"m:a": table},
            {"m:b": table},
            {"m:a": other},
            {"m:a": table.reshape(2, 3)},
            {"m:a": table, "m:b": other},
            {"m:a": other, "m:b": table},
        )
    ]
    assert len(set(found)) == len(found)
    assert views_hash({"m:b": other, "m:a": table}) == found[4]
    assert views_hash({}) == ""


def test_two_views_of_one_name_are_refused(small_config):
    with pytest.raises(ConfigError, match=r"model\.views must be distinct views"):
        small_config({"model.views": "identity,some.module:identity"})


def test_its_code_is_part_of_what_both_sides_must_share(small_config):
    assert "tests/factory/own_views_of_items.py" in client_code(
        small_config({"model.views": VIEWS})
    )
