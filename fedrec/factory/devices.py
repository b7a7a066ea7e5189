"""What computes: the device that a config names, and kernels in C++ or torch."""

import torch

from fedrec.config.config import Config
from fedrec.errors import ConfigError, ResourceError
from fedrec.native.encoder import LANES
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
    elif config.model.width % LANES:
        reason = f"model.width is {config.model.width}, and they take multiples of {LANES}"
    else:
        reason = why_not()
    if reason and wanted == "native":
        raise ConfigError(f"local.kernel = 'native': {reason}, or set local.kernel = 'auto'")
    return not reason


def kernel_facts(config: Config) -> dict[str, str]:
    """Facts for run.json about the kernels: ``native`` with their hash, or ``torch``."""
    return {"name": "native", "sha256": key()} if uses_kernel(config) else {"name": "torch"}
