"""What computes: the device that a config names, and kernels in C++ or torch."""

import torch

from fedrec.config.config import Config
from fedrec.config.sections.model import Model
from fedrec.config.values.choices import names_in
from fedrec.errors import ConfigError, ResourceError
from fedrec.models.layers.blocks import BLOCKS
from fedrec.models.layers.transformer import KERNEL_BLOCKS
from fedrec.native.encoder import LANES, odd_width
from fedrec.native.library import key, why_not


def device(config: Config) -> torch.device:
    """The device to compute on: "auto" takes a GPU where there is one.

    Raises:
        ResourceError: ``device = "cuda"`` without one.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ResourceError("device = 'cuda', but torch finds no GPU here; set device = 'auto'")
    use_gpu = config.device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if use_gpu else "cpu")


def device_fallback(config: Config) -> str:
    """A line that says that ``device = "auto"`` falls back to the CPU; empty where it does not."""
    falls_back = config.device == "auto" and device(config).type == "cpu"
    return "device = 'auto': torch finds no GPU here, the CPU computes" if falls_back else ""


def uses_kernel(config: Config) -> bool:
    """Whether kernels in C++ compute transformers and softmax losses of a config, or torch does.

    Raises:
        ConfigError: ``local.kernel = "native"`` where they cannot.
    """
    wanted = config.local.kernel
    if wanted == "torch":
        return False
    if device(config).type != "cpu":
        reason = "a GPU computes here; set device = 'cpu'"
    else:
        reason = _refused_width(config.model) or why_not()
    if reason and wanted == "native":
        raise ConfigError(f"local.kernel = 'native': {reason}, or set local.kernel = 'auto'")
    return not reason


def _refused_width(model: Model) -> str:
    """A width of the model that the kernels do not take, with their rule; empty without one.

    An encoder that they do not know is torch's whatever its widths; softmax losses are then theirs.
    """
    width = model.width
    is_causal = model.encoder_kind == "causal" and "relative" not in names_in(model.time)
    knows = is_causal and BLOCKS[model.block] in KERNEL_BLOCKS
    odd = odd_width(width, model.hidden, model.heads) if knows else odd_width(width, width, 1)
    return f"{odd[0]} is {odd[1]}, and they take multiples of {LANES}" if odd else ""


def kernel_facts(config: Config) -> dict[str, str]:
    """Facts for run.json about the kernels: ``native`` with their hash, or ``torch``."""
    return {"name": "native", "sha256": key()} if uses_kernel(config) else {"name": "torch"}
