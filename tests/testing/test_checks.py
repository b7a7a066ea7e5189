"""``fedrec.testing``: our own parts pass, and each fault is named in one line."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from fedrec.config.values.choices import LOSSES
from fedrec.models.sasrec import SASRec
from fedrec.testing import (
    ConformanceError,
    check_encoder,
    check_loss,
    check_model,
)

OWN_MODELS = [
    {"model": "sasrec"},
    {"model": "bert4rec"},
    {"model": "gru4rec"},
    {"model": "dualrec-lstm"},
    {"model": "bpr-mf"},
    {"model": "fpmc"},
    {"model": "fed-ncf"},
    {"model": "fed-ncf", "blocks": 3},
    {"model": "pfedrec"},
    {"model": "unisrec-id", "experts": 2},
    {"model": "hstu"},
    {"model": "hstu", "time": "relative", "heads": 2},
    {"model": "narm"},
    {"model": "stamp"},
    {"model": "sr-gnn"},
    {"model": "hybrid"},
    {"model": "hybrid", "encoder": "gru", "fusion": "concat"},
    {"model": "hybrid", "encoder": "bidirectional"},
    {"model": "hybrid", "time": "hour,gap,relative"},
    {"model": "hybrid", "views": "semantic"},
    {"model": SASRec},
]


@pytest.mark.parametrize("settings", OWN_MODELS, ids=str)
def test_our_models_conform(settings):
    check_model(**settings)


class Raises(SASRec):
    def encode(self, table, places, *rest):
        raise KeyError("states")


class RaisesWhenMade(SASRec):
    def __init__(self, *args, **kwargs):
        raise KeyError("rows")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Raises, "^model '.*Raises' failed in its checks: KeyError: 'states'$"),
        (RaisesWhenMade, "^model '.*RaisesWhenMade' could not be made of item rows .*: 'rows'$"),
    ],
)
def test_a_model_that_raises_is_named_in_one_line(model, message):
    with pytest.raises(ConformanceError, match=message):
        check_model(model)


class LooksAhead(SASRec):
    def encode(self, table, places, *rest):
        states, weights = super().encode(table, places, *rest)
        return states + states.mean(dim=1, keepdim=True), weights


class ReadsPadding(SASRec):
    def encode(self, table, places, *rest):
        states, weights = super().encode(table, places, *rest)
        return states * places.shape[1], weights


class MixesUsers(SASRec):
    def encode(self, table, places, *rest):
        states, weights = super().encode(table, places, *rest)
        return states + states[:, :1].mean(dim=0), weights


class DrawsWeights(SASRec):
    def __init__(self, rows, encoder):
        super().__init__(rows, encoder)
        self.own = nn.Linear(2, 2)


class DrawsInTraining(SASRec):
    def encode(self, table, places, *rest):
        states, weights = super().encode(table, places, *rest)
        return nn.functional.dropout(states, 0.1, self.training), weights


class WrongWidth(SASRec):
    def output_vectors(self, table):
        return table.views[:, 0, :3]


class NotSumming(SASRec):
    def encode(self, table, places, *rest):
        states, weights = super().encode(table, places, *rest)
        return states, 2 * weights


class WrongItemArrays(SASRec):
    item_arrays = ("encoder.positions",)


class UnknownArrays(SASRec):
    item_arrays = ("table",)


class HidesARow(SASRec):
    """Adds a row of its own beside look_up, which item_arrays forbids."""

    def encode(self, table, places, *rest):
        states, weights = super().encode(table, places, *rest)
        return states + self.rows[1], weights


class WritesFrozen(SASRec):
    def __init__(self, rows, encoder):
        super().__init__(rows, encoder)
        self.register_buffer("seen", torch.zeros(1))

    def encode(self, table, places, *rest):
        if self.training:
            self.seen += 1
        return super().encode(table, places, *rest)


class Remembers(SASRec):
    calls = 0

    def encode(self, table, places, *rest):
        self.calls += self.training
        return super().encode(table, places, *rest)


class Normalises(SASRec):
    def __init__(self, rows, encoder):
        super().__init__(rows, encoder)
        self.norm = nn.BatchNorm1d(rows.shape[1])


class ManySites(SASRec):
    num_dropout_masks = 9


class ScoresPairs(SASRec):
    scores_by_product = False


class Incomplete(SASRec):
    @abstractmethod
    def more(self): ...


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LooksAhead, "changes a state before it: the model sees what it is asked to predict"),
        (ReadsPadding, "a state depends on how far its row is padded"),
        (MixesUsers, "a user's states depend on the other users of the batch"),
        (DrawsWeights, "two models of the same seed start from other weights"),
        (DrawsInTraining, "training draws from torch's global generator"),
        (WrongWidth, r"gave states of shape \(3, 8, 8\), expected \(3, 8, 3\)"),
        (NotSumming, "the view weights of a position do not sum to 1"),
        (WrongItemArrays, "names 'encoder.positions', which has 10 rows, expected 41"),
        (UnknownArrays, r"name \['table'\], which the model does not have"),
        (HidesARow, "users who train side by side move '.*' elsewhere than each of them alone"),
        (WritesFrozen, "training changes the buffer 'seen' of the model"),
        (Remembers, "training changes the attribute 'calls' of the model"),
        (Normalises, "the buffer 'running_mean' of norm .BatchNorm1d.; .* use nn.LayerNorm"),
        (ManySites, "num_dropout_masks is 9, but mask 5 changes nothing"),
        (ScoresPairs, "must score by products of states and output vectors"),
        (Incomplete, "model Incomplete lacks more"),
        (nn.Linear, "Linear is no Recommender; derive it from .* and give it encode, look_up"),
        (lambda rows: None, "could not be made of item rows"),
        ("sasrek", "did you mean 'sasrec'"),
    ],
)
def test_a_model_that_does_not_conform_is_told_why(model, message):
    with pytest.raises(ConformanceError, match=message) as caught:
        check_model(model)
    assert "\n" not in str(caught.value)


def test_our_encoder_conforms():
    check_encoder("hashed")


class OfBatch:
    def encode(self, texts):
        return [[len(text), len(texts) + 1.0, 1.0] for text in texts]


class AllEqual:
    def encode(self, texts):
        return np.ones((len(texts), 3))


class ByCount:
    calls: ClassVar[list[int]] = []

    def encode(self, texts):
        self.calls.append(1)
        return [[len(text), len(self.calls)] for text in texts]


class OneShort:
    def encode(self, texts):
        return np.ones((len(texts) - 1, 3))


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (OfBatch, "the vector of 'Alien 1979' depends on the texts that are encoded with it"),
        (AllEqual, "all texts get the same vector"),
        (ByCount, "the same texts get other vectors the second time"),
        (OneShort, r"gave an array of shape \(4, 3\) for 5 texts"),
        ("no such encoder", "is no folder here"),
    ],
)
def test_an_encoder_that_does_not_conform_is_told_why(encoder, message):
    with pytest.raises(ConformanceError, match=message):
        check_encoder(encoder)


def hinge(targets, negatives):
    return (1 - targets.unsqueeze(-1) + negatives).clamp(min=0).mean(dim=-1)


def upside_down(targets, negatives):
    return targets - negatives.mean(dim=-1)


def one_number(targets, negatives):
    return (negatives.mean(dim=-1) - targets).mean()


@pytest.mark.parametrize(
    "loss", [*LOSSES, hinge, lambda t, n: nn.functional.softplus(n.mean(-1) - t)]
)
def test_our_losses_conform(loss):
    check_loss(loss)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (upside_down, r"do not raise the items that follow in the ranking .*wrong sign"),
        (one_number, "one loss per target"),
        ("softmaxx", "cannot be|must be|did you mean"),
    ],
)
def test_a_loss_that_does_not_conform_is_told_why(loss, message):
    with pytest.raises(ConformanceError, match=message):
        check_loss(loss)
