import numpy as np
import pytest
import torch

from fedrec.errors import MessageError
from fedrec.models.parameters import (
    anchor_of,
    arrays_of,
    groups_of,
    load_arrays,
    load_optimizer_arrays,
    optimizer_arrays,
)


@pytest.mark.parametrize("name", ["hybrid", "sasrec"])
@pytest.mark.parametrize("private", [(), ("gate-bias",)])
def test_groups_are_a_partition_of_all_names(make_tiny, name, private):
    model = make_tiny(name=name)
    groups = groups_of(model, private)
    everything = [name for name, _ in [*model.named_parameters(), *model.named_buffers()]]
    listed = [*groups.shared, *groups.private, *groups.frozen]
    assert sorted(listed) == sorted(everything)
    assert len(set(listed)) == len(listed)


def test_what_is_frozen_are_the_tables_and_the_frequency(make_tiny):
    groups = groups_of(make_tiny())
    assert groups.frozen == ("frequency", "views.semantic.table", "views.content.table")
    assert groups.private == ()


def test_the_gate_bias_can_stay_private(make_tiny):
    groups = groups_of(make_tiny(), ["gate-bias"])
    assert groups.private == ("gate.bias",)
    assert "gate.bias" not in groups.shared


def test_what_arrays_of_gives_load_arrays_takes(make_tiny):
    one, other = make_tiny(seed=1), make_tiny(seed=2)
    names = groups_of(one).shared
    load_arrays(other, arrays_of(one, names), names)
    for name in names:
        np.testing.assert_array_equal(arrays_of(other, [name])[name], arrays_of(one, [name])[name])


def test_arrays_are_copies(make_tiny):
    model = make_tiny()
    taken, anchor = arrays_of(model, ["gate.bias"]), anchor_of(model, ["gate.bias"])
    with torch.no_grad():
        model.gate.bias.add_(1)
    assert (taken["gate.bias"] == 0).all()
    assert (anchor["gate.bias"] == 0).all()
    assert not anchor["gate.bias"].requires_grad


def test_a_read_only_array_is_loaded_without_a_warning(make_tiny):
    model = make_tiny()
    array = np.ones(3, dtype=np.float32)
    array.setflags(write=False)
    load_arrays(model, {"gate.bias": array}, ["gate.bias"])
    assert model.gate.bias.tolist() == [1, 1, 1]


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_other_names_are_refused(make_tiny, change):
    model = make_tiny()
    arrays = arrays_of(model, ["gate.bias"])
    if change == "missing":
        name = "gate.from_facts.weight"
        names = ["gate.bias", name]
    else:
        name, names = "gate.other", ["gate.bias"]
        arrays[name] = arrays["gate.bias"]
    with pytest.raises(MessageError, match=rf"'{name}'.*one side only"):
        load_arrays(model, arrays, names)


@pytest.mark.parametrize("shape", [(1,), (3, 1), (4,), ()])
def test_other_shapes_are_refused_also_those_that_broadcast(make_tiny, shape):
    model = make_tiny()
    with pytest.raises(MessageError, match=r"'gate.bias' have shape .*, the model here \(3,\)"):
        load_arrays(model, {"gate.bias": np.zeros(shape, np.float32)}, ["gate.bias"])
    assert model.gate.bias.tolist() == [0, 0, 0]


def small_step(model, optimizer):
    optimizer.zero_grad()
    sum(parameter.square().sum() for parameter in model.parameters()).backward()
    optimizer.step()


def test_an_optimizer_goes_on_from_its_arrays_as_if_nothing_had_happened(make_tiny):
    def made(model):
        return torch.optim.Adam(model.parameters(), lr=0.01, fused=True)

    one, other = make_tiny(), make_tiny()
    first, second = made(one), made(other)
    small_step(one, first)
    small_step(other, second)
    fresh = made(other)  # the second optimiser is thrown away, its arrays are kept
    load_optimizer_arrays(other, fresh, optimizer_arrays(other, second))
    for _ in range(2):
        small_step(one, first)
        small_step(other, fresh)
    for name, parameter in one.named_parameters():
        assert torch.equal(parameter, dict(other.named_parameters())[name]), name


def test_optimizer_arrays_are_named_after_parameters(make_tiny):
    model = make_tiny(name="sasrec")
    optimizer = torch.optim.Adam(model.parameters())
    assert optimizer_arrays(model, optimizer) == {}
    small_step(model, optimizer)
    arrays = optimizer_arrays(model, optimizer)
    assert {key for key in arrays if key.startswith("rows/")} == {
        "rows/exp_avg",
        "rows/exp_avg_sq",
        "rows/step",
    }
