"""NARM, STAMP and SR-GNN, each against its paper's formulas written as loops over prefixes."""

import itertools

import pytest
import torch

from fedrec.models.sessions.attentive_gru import AttentiveGRU
from fedrec.models.sessions.session_graph import SessionGraph, edges
from fedrec.models.sessions.short_term_attention import ShortTermAttention

D, L = 5, 6


def shaken(module):
    stream = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream) / 2)
    return module


def items(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(9))


@torch.no_grad()
def test_narm_weighs_earlier_states_by_the_last_one():
    encoder, x = shaken(AttentiveGRU(D, 1, D)), items(2, L, D)
    found = encoder(x, torch.tensor([L, L]))
    h = encoder.layers[0](x)
    a1, a2, v = encoder.of_last.weight, encoder.of_each.weight, encoder.score.weight[0]
    for row in range(2):
        for t in range(L):
            local = torch.zeros(D)
            for j in range(t + 1):
                local += (v @ torch.sigmoid(a1 @ h[row, t] + a2 @ h[row, j])) * h[row, j]
            expected = encoder.out.weight @ torch.cat([h[row, t], local])
            torch.testing.assert_close(found[row, t], expected)


@torch.no_grad()
def test_stamp_multiplies_memory_and_newest_item():
    encoder, x = shaken(ShortTermAttention(D)), items(2, L, D)
    found = encoder(x, torch.tensor([L, L]))
    e = encoder
    for row in range(2):
        for t in range(L):
            prefix = x[row, : t + 1]
            memory = torch.zeros(D)
            for one in prefix:
                about = e.of_each(one) + e.of_last(x[row, t]) + e.of_mean(prefix.mean(dim=0))
                memory += e.score(torch.sigmoid(about)) * one
            expected = torch.tanh(e.memory(memory)) * torch.tanh(e.newest(x[row, t]))
            torch.testing.assert_close(found[row, t], expected)


@pytest.mark.parametrize("steps", [1, 2])
@torch.no_grad()
def test_sr_gnn_is_a_graph_of_each_prefix(steps):
    encoder = shaken(SessionGraph(D, steps))
    rows = [[3, 7, 3, 7, 2, 3], [1, 1, 4, 1, 4, 1]]
    vector = items(8, D)
    found = encoder(vector[torch.tensor(rows)], torch.tensor(rows))
    for number, row in enumerate(rows):
        for t in range(L):
            torch.testing.assert_close(
                found[number, t], of_graph(encoder, row[: t + 1], vector, steps)
            )


def of_graph(encoder, prefix, vector, steps):
    """The state of one history, over the nodes of its distinct items."""
    node = {item: vector[item] for item in prefix}
    pairs = list(itertools.pairwise(prefix))
    zero = torch.zeros(D)

    def mean(vectors):
        return torch.stack(vectors).mean(dim=0) if vectors else zero

    for _ in range(steps):
        after = {}
        for item, own in node.items():
            coming = mean([encoder.coming(node[a]) for a, b in pairs if b == item])
            going = mean([encoder.going(node[b]) for a, b in pairs if a == item])
            parts = encoder.from_message(torch.cat([coming, going])).chunk(3)
            update_own, reset_own = encoder.from_node(own).chunk(2)
            update = torch.sigmoid(parts[0] + update_own)
            reset = torch.sigmoid(parts[1] + reset_own)
            new = torch.tanh(parts[2] + encoder.from_reset(reset * own))
            after[item] = (1 - update) * own + update * new
        node = after
    last = node[prefix[-1]]
    whole = zero
    for item in prefix:
        energy = torch.sigmoid(encoder.of_last(last) + encoder.of_each(node[item]))
        whole = whole + encoder.score(energy) * node[item]
    return encoder.out(torch.cat([last, whole]))


def test_edges_by_hand():
    """a b a: b comes into a, a goes to b, and both stand at each position of a."""
    coming, going = edges(torch.tensor([[1, 2, 1]]))
    whole_in, whole_out = coming[0, 2], going[0, 2]
    torch.testing.assert_close(whole_in, torch.tensor([[0, 1.0, 0], [1, 0, 0], [0, 1, 0]]))
    torch.testing.assert_close(whole_out, torch.tensor([[0, 1.0, 0], [0, 0, 1], [0, 1, 0]]))
    first = coming[0, 0], going[0, 0]
    assert not first[0].any()
    assert not first[1].any()
