"""How much memory a model takes, before any of it is allocated."""

from fedrec.config.config import Config
from fedrec.config.values.choices import MODELS, OF_TEXT, names_in
from fedrec.errors import ConfigError
from fedrec.files.machine import memory_gib

BYTES = 16  # a parameter, its gradient and Adam's two moments, in float32
PER_BLOCK = 10_000  # bytes of a layer's objects, however small its weights are


def check_memory(config: Config, num_items: int) -> None:
    """Refuse a model of ours whose training needs more memory than the machine has.

    Args:
        config: Config of the run.
        num_items: V.

    Raises:
        ConfigError: With the number of parameters, and the memory that they take.
    """
    memory, model = memory_gib(), config.model
    if memory is None or model.name not in MODELS or model.name == "lora":
        return
    parameters = estimated_parameters(config, num_items)
    needed = (parameters * BYTES + model.blocks * PER_BLOCK) / 2**30
    if needed > memory:
        sizes = ", ".join(
            f"model.{name.replace('_', '-')} = {getattr(model, name)}"
            for name in ("width", "hidden", "blocks", "max_length")
        )
        raise ConfigError(
            f"{sizes} make a model of about {parameters:.3g} parameters, which take {needed:,.0f} "
            f"GiB to train, but this machine has {memory:,.0f} GiB; lower them"
        )


def estimated_parameters(config: Config, num_items: int) -> int:
    """Parameters of a model of ours, to within its biases and the projections of its views."""
    model = config.model
    rows = (num_items + 1) * model.width
    if model.encoder_kind == "none":
        return rows * {"fpmc": 3, "pfedrec": 2}.get(model.name, 1)
    reads_text = model.name == "hybrid" and "semantic" in names_in(model.views)
    block = 4 * model.width**2 + 2 * model.width * model.hidden
    if model.block == "ligr":  # a gate of each branch, and one inside the feed-forward layer
        block += 2 * model.width**2 + model.width * model.hidden
    if model.encoder_kind in ("gru", "attentive-gru"):
        block = 3 * model.hidden * (model.width + model.hidden) + model.hidden * model.width
    if model.encoder_kind == "pointwise":
        block = 5 * model.width**2
    if model.encoder_kind == "lstm":  # both layers together; an output row of each item
        rows += (num_items + 1) * model.hidden
        block = 2 * model.hidden * (model.width + 2 * model.hidden)
    if model.name in OF_TEXT:  # one projection an expert
        rows *= model.name == "unisrec-id"
        rows += model.experts * model.width * config.semantics.width
    positions = model.max_length * model.width
    return (
        rows + positions + model.blocks * block + reads_text * model.width * config.semantics.width
    )
