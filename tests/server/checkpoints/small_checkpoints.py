"""Small checkpoints for the tests of what they hold and of how they reach the disk."""

import numpy as np

from server.aggregation.strategy_state import Snapshot
from server.checkpoints.folder import Checkpoint
from server.state.server_state import AcceptedReply, ServerState


def checkpoint(number, size=3):
    """A small checkpoint in which every array says its round."""
    filled = np.full(size, float(number))
    state = ServerState(
        {"z": filled, "a": np.array(float(number))},
        accepted={0: AcceptedReply(number, "ab" * 32), 11: AcceptedReply(1)},
        best={"z": filled - 1, "a": np.array(0.0)},
        best_accepted={0: AcceptedReply(number)},
        best_round=number,
        best_value=0.1 + 0.2,
        checkpoints=[{0: {1, number}}, {}],
        traceback="Traceback:\n  caf\u00e9",
    )
    saved = Snapshot({"m/z": filled * 2}, {"attributes": {"n": number}})
    line = {"round": number, "validation": None}
    return Checkpoint(line=line, state=state, strategy=saved, about={"token": "t"})


def same(a, b):
    """Equality of checkpoints: types, order and bits of every array."""

    def arrays(one):
        named = (one.state.weights, one.state.best, one.strategy.arrays)
        return [[(k, v.dtype, v.shape, v.tobytes()) for k, v in part.items()] for part in named]

    def rest(one):
        plain = {k: v for k, v in vars(one.state).items() if k not in ("weights", "best")}
        return one.line, plain, one.strategy.values, one.about

    return arrays(a) == arrays(b) and rest(a) == rest(b)


def names(run):
    """What lies in the folder of a run's checkpoints."""
    return sorted(path.name for path in (run / "checkpoints").iterdir())
