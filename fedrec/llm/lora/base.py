"""The language model under the adapters: its folder, its hash, its weights with adapters."""

import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fedrec.config.sections.lora import Lora
from fedrec.config.values.choices import names_in
from fedrec.errors import ConfigError
from fedrec.llm.extra import require
from fedrec.llm.folders import check_folder, model_sha256
from fedrec.llm.quiet import one_quiet_thread
from fedrec.llm.smollm2 import NAME, smollm2_folder
from fedrec.models.parts import torch_stream

A, B = ".lora_A.", ".lora_B."  # in the names of an adapter's two matrices, as peft has them


def base_folder(base: str) -> Path:
    """The folder of ``lora.base``.

    Raises:
        ConfigError: No such folder, or one without a whole model.
        ResourceError: A package of the extra ``llm`` is missing.
    """
    require(f"lora.base = {base!r}", "transformers", "peft")
    if base == NAME:
        return smollm2_folder()
    folder = Path(base).expanduser()
    if not os.path.isdir(folder):  # False for a name that is too long
        raise ConfigError(
            f"lora.base = {base!r} is no folder here; set {NAME}, or the folder of a causal "
            "transformers model"
        )
    check_folder(folder)
    return folder.resolve()


def base_sha256(base: str) -> str:
    """Hash of the base model; all clients must have the same one.

    Raises:
        FedrecError: As ``base_folder``.
    """
    folder = base_folder(base)
    states = tuple((path.name, path.stat().st_mtime_ns) for path in sorted(folder.iterdir()))
    return _hashed(folder, states)


@lru_cache(maxsize=4)
def _hashed(folder: Path, states: tuple[tuple[str, int], ...]) -> str:
    return model_sha256(folder)


def with_adapters(settings: Lora, seed: int) -> tuple[nn.Module, Any]:
    """The base model with adapters, and its tokenizer; the base is frozen.

    A is drawn uniformly as in LoRA (Hu et al., ICLR 2022), from the run's own stream; B is zero, so
    that the model is the base model at the start. Under ``lora.aggregation = "ffa"`` (FFA-LoRA, Sun
    et al., ICLR 2024) A stays as it is drawn.

    Args:
        settings: Section ``lora``.
        seed: Seed of the run.

    Raises:
        ConfigError: The base has no such modules.
        ResourceError: A package is missing.
    """
    folder = base_folder(settings.base)
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with one_quiet_thread():
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        base: Any = AutoModelForCausalLM.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, dtype="auto"
        )
        plan = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]  # peft divides it, whole or not
            lora_dropout=settings.dropout,
            target_modules=list(names_in(settings.modules)),
            task_type=TaskType.CAUSAL_LM,
        )
        try:
            with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                # peft asks transformers for an attribute by its old name.
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
                adapted: Any = get_peft_model(base, plan)
        except ValueError as error:
            raise ConfigError(
                f"lora.modules = {settings.modules!r}: {str(error).splitlines()[0][:200]}"
            ) from None
    stream = torch_stream(seed, "weights", "lora")
    for name, parameter in adapted.named_parameters():
        if not parameter.requires_grad:
            continue
        parameter.data = parameter.data.float()
        if A in name:
            # Kaiming's bound with a = sqrt(5), as LoRA and peft have it.
            bound = parameter.shape[1] ** -0.5
            drawn = torch.rand(parameter.shape, generator=stream) * (2 * bound) - bound
            parameter.data.copy_(drawn)
            parameter.requires_grad_(settings.aggregation != "ffa")
        else:
            parameter.data.zero_()
    return adapted, tokenizer
