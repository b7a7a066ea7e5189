"""``fedrec.simulate`` with objects: models, strategies and functions of this process."""

import numpy as np
import pytest
from flwr.serverapp.strategy import FedAdam, FedAvg, FedProx, Krum
from torch import nn

import fedrec
from experiments.objects import object_keys
from fedrec.config.config import Config
from fedrec.config.handed_over import named
from fedrec.config.keys import read_config
from fedrec.config.user_code import client_code
from fedrec.config.values.import_strings import import_string
from fedrec.errors import ConfigError
from fedrec.models.sasrec import SASRec
from fedrec.runs.record import read_json
from tests.experiments.small_runs import SMALL

KEYS = SMALL | {"federation.rounds": 2, "device": "cpu"}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, undrawn):
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "home"))


class Importable(SASRec):
    """At the top of a module: it has an import string."""


class Scaled(FedAvg):
    """Its argument is no attribute of that name, so no config makes it."""

    def __init__(self, factor):
        super().__init__()
        self.times = factor


def halves(facts, count, rng):
    return np.arange(facts.num_users) % count


def test_a_federation_of_objects_runs_in_this_process(tmp_path):
    class Mine(SASRec):
        pass

    def hinge(targets, negatives):
        return (1 - targets.unsqueeze(-1) + negatives).clamp(min=0).mean(dim=-1)

    def percentile(ranks, num_candidates):
        return 1 - (ranks - 1) / num_candidates

    run = fedrec.simulate(
        KEYS,
        model=Mine,
        strategy=Scaled(2),
        loss=hinge,
        metric=percentile,
        partition=halves,
        out=tmp_path / "run",
    )
    assert run.status == "done"
    assert run.config["model"]["name"].startswith("__here__:Mine")
    assert 0 <= run.metrics["test"]["percentile"]["value"] <= 1
    sizes = [one["users"] for one in read_json(tmp_path / "run" / "run.json")["partitions"]]
    assert sizes == [20, 19]  # as dealt out by turns


def test_objects_that_a_config_can_name_give_the_run_of_that_config(tmp_path):
    objects = {"model": fedrec.SASRec, "strategy": FedAdam(eta=0.02)}
    names = {
        "model.name": "sasrec",
        "strategy.name": "fedadam",
        "strategy.options": "eta = 0.02",
    }
    runs = [
        fedrec.simulate(KEYS, out=tmp_path / "objects", **objects),
        fedrec.simulate(KEYS, names, out=tmp_path / "names"),
    ]
    assert runs[0].config == runs[1].config
    assert runs[0].metrics == runs[1].metrics


@pytest.mark.parametrize(
    ("strategy", "name", "options"),
    [
        ("fedavg", "fedavg", None),
        (FedAvg, "fedavg", None),
        (FedAvg(), "fedavg", ""),
        (FedAvg(min_train_nodes=7), "fedavg", ""),  # the round waits, a strategy has no say
        (FedProx(proximal_mu=0.5), "fedprox", "proximal-mu = 0.5"),
        (Krum(num_malicious_nodes=1), "krum", "num-malicious-nodes = 1"),
    ],
)
def test_a_strategy_becomes_the_config_that_makes_it(strategy, name, options):
    keys = object_keys(strategy)
    assert keys["strategy.name"] == name
    assert keys.get("strategy.options") == options


def test_a_strategy_that_no_config_makes_stays_an_object_and_is_not_changed():
    strategy = Scaled(3)
    keys = object_keys(strategy)
    assert import_string("strategy.name", keys["strategy.name"]) is strategy
    assert object_keys(strategy) == keys
    assert strategy.min_train_nodes == FedAvg().min_train_nodes


def test_what_a_module_defines_is_named_by_its_import_string():
    assert object_keys(model=Importable) == {"model.name": f"{__name__}:Importable"}
    assert object_keys(partition=halves) == {"partition.by": f"{__name__}:halves"}
    for kind, name in ((SASRec, "sasrec"), (fedrec.BPRMF, "bpr-mf"), ("hybrid", "hybrid")):
        assert object_keys(model=kind) == {"model.name": name}


def test_two_objects_of_one_name_are_two():
    def make():
        def same():
            pass

        return same

    one, two = make(), make()
    names = [named("loss", one), named("loss", two), named("loss", one)]
    assert names[0] == names[2] != names[1]
    assert import_string("loss.name", names[1]) is two


def test_an_object_of_another_process_is_refused_by_what_it_was():
    with pytest.raises(ConfigError, match="was an object of the Python process that made"):
        import_string("model.name", "__here__:Gone")


class NoRecommender(nn.Module):
    def forward(self, x):
        return x


def abstract(rows, encoder):
    return NoRecommender()


LOCAL = type("Local", (SASRec,), {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"model": NoRecommender},
            "NoRecommender is no Recommender; derive it from fedrec.models.recommender.Recommender "
            "and give it encode, look_up, num_dropout_masks, output_vectors, view_names",
        ),
        ({"model": NoRecommender()}, "got an instance of NoRecommender"),
        ({"model": abstract}, "must make a Recommender, got NoRecommender; a model derives"),
        ({"model": LOCAL, "engine": "ray"}, "model.name is Local, an object of this process"),
        (
            {"strategy": Scaled(1), "engine": "flower"},
            "strategy.name is Scaled.*, an object of this process that engine 'flower' cannot",
        ),
        (
            {"strategy": FedAvg(fraction_train=0.5)},
            "fraction_train = 0.5, expected 1.0: federation.fraction says",
        ),
        ({"strategy": 3}, "strategy must be a name or a flwr.serverapp.strategy.Strategy, got 3"),
        ({"loss": 3}, "loss must be a name or a function, got 3"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(arguments, message):
    with pytest.raises(ConfigError, match=message) as caught:
        fedrec.simulate(KEYS, **arguments)
    assert "\n" not in str(caught.value)


def test_a_strategy_object_may_serve_on_ray_where_the_server_is_this_process():
    from experiments.objects import check_objects
    from fedrec.config.keys import flatten

    keys = flatten(Config()) | object_keys(Scaled(5))
    check_objects(keys, "ray")
    with pytest.raises(ConfigError, match="engine 'flower' cannot carry"):
        check_objects(keys, "flower")


def test_the_source_of_an_object_is_part_of_the_code_of_a_run():
    def one(facts, count, rng):
        return np.zeros(facts.num_users, dtype=int)

    keys = object_keys(partition=one)
    config = read_config(keys)
    assert list(client_code(config)) == [keys["partition.by"]]
