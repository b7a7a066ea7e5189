"""Guard of local training: what is no parameter must not change, since nobody would send it."""

import contextlib
from collections.abc import Iterator

from torch import nn

from fedrec.errors import ConfigError

INSTEAD = "use nn.LayerNorm or nn.GroupNorm, or a parameter"


@contextlib.contextmanager
def frozen_buffers(model: nn.Module) -> Iterator[None]:
    """Refuse training that writes to a buffer, such as the running statistics of BatchNorm.

    A buffer is in no reply, no checkpoint and not in the saved model: what one client wrote there
    would be lost, or seen by the next client of the same process.

    Raises:
        ConfigError: a buffer was written to or replaced.
    """
    # torch counts the writes to a tensor; large frozen tables need no copy to compare with.
    before = {name: (buffer, buffer._version) for name, buffer in model.named_buffers()}
    yield
    now = dict(model.named_buffers())
    for name in sorted(before.keys() | now.keys()):
        known = before.get(name)
        if known is None or now.get(name) is not known[0] or known[0]._version != known[1]:
            raise ConfigError(written(model, name))


def written(model: nn.Module, name: str) -> str:
    """The message about a buffer that training changes."""
    owner, _, leaf = name.rpartition(".")
    kind = type(model.get_submodule(owner)).__name__
    return (
        f"training changes the buffer {leaf!r} of {owner or 'the model'} ({kind}); buffers are "
        f"constant here, as no client sends them and no model file holds them: {INSTEAD}"
    )
