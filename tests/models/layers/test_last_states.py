"""At inference the last block is computed at the last position alone, with the same states."""

import pytest
import torch

from fedrec.models.hybrid import Hybrid
from fedrec.models.layers.bidirectional import BidirectionalTransformer
from fedrec.models.layers.blocks import BLOCKS, LEAST_ROWS
from fedrec.models.layers.gru import GRUEncoder
from fedrec.models.layers.time_aware import TimedTransformer
from fedrec.models.layers.transformer import CausalTransformer
from fedrec.models.recommender import catalogue_of, score_next

LENGTHS = torch.tensor([9, 1, 4, 8])


def shaken(made):
    stream = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=stream) / 3)
    return made.eval()


def encoders():
    for block in BLOCKS:
        for blocks in (0, 1, 2):
            yield CausalTransformer(16, blocks, 2, 9, 32, block=block), ()
    hidden = torch.arange(9) == LENGTHS[:, None] - 1
    yield BidirectionalTransformer(16, 2, 2, 9, 32), (hidden,)
    times = torch.arange(11).expand(4, -1) ** 3 * 700
    yield TimedTransformer(16, 2, 2, 9, 32, clues=("hour", "gap", "relative")), (times,)


@pytest.mark.parametrize(("encoder", "more"), list(encoders()))
def test_last_states_are_those_among_all(encoder, more):
    shaken(encoder)
    x = torch.randn(4, 9, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        every = encoder(x, LENGTHS, None, *more)[torch.arange(4), LENGTHS - 1]
        last = encoder(x, LENGTHS, None, *more, last=True)
    torch.testing.assert_close(last, every, rtol=1e-6, atol=1e-6)


def rows_through(layer, compute):
    rows = []
    handle = layer.register_forward_hook(lambda _, given, __: rows.append(given[0].shape[:-1]))
    compute()
    handle.remove()
    return rows


@pytest.mark.parametrize("settings", [{"name": "sasrec"}, {"name": "bert4rec"}, {}], ids=str)
def test_scoring_feeds_forward_the_last_positions_alone(make_tiny, settings):
    model = shaken(make_tiny(**settings))
    catalogue = catalogue_of(model, 40)
    last = model.encoder.blocks[-1].feed_in
    rows = rows_through(
        last, lambda: score_next(model, catalogue, torch.tensor([[3, 9, 4]]), torch.tensor([3]))
    )
    assert rows == [(LEAST_ROWS,)]


class Stretched(Hybrid):
    """A user's model that overrides ``encode`` and knows nothing of last states."""

    def encode(self, table, indices, lengths, dropout_masks=None, times=None):
        states, weights = super().encode(table, indices, lengths, dropout_masks, times)
        return 2 * states, weights


def test_a_model_or_an_encoder_without_it_is_asked_for_all_states(make_tiny):
    plain = shaken(make_tiny())
    own = Stretched(plain.views, plain.gate, plain.encoder, width=8, frequency=plain.frequency)
    items, lengths = torch.tensor([[3, 9, 4]]), torch.tensor([3])
    catalogue = catalogue_of(plain, 40)
    scores = score_next(plain, catalogue, items, lengths)[0]
    torch.testing.assert_close(score_next(own, catalogue, items, lengths)[0], 2 * scores)
    recurrent = shaken(make_tiny(name="gru4rec"))
    assert isinstance(recurrent.encoder, GRUEncoder)
    states = recurrent.encode(recurrent.look_up(torch.arange(41)), items, lengths)[0]
    found = score_next(recurrent, catalogue_of(recurrent, 40), items, lengths)[0]
    vectors = recurrent.output_vectors(recurrent.look_up(torch.arange(41)))
    torch.testing.assert_close(found[0], vectors @ states[0, 2])
