"""Formats of an exported program: torch's own, ONNX, ExecuTorch."""

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedrec.errors import ResourceError

Scores = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]
Inputs = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Format:
    """A format of a program.

    Attributes:
        file: Name of its file.
        write: Writes a module, traced with example inputs, to a path.
        load: Opens a file as a function from items (1, L) and length (1,) to scores (V + 1,).
        extra: Extra of fedrec with the packages; "" for none.
        modules: Packages that it needs, by their import names.
    """

    file: str
    write: Callable[[nn.Module, Inputs, Path], None]
    load: Callable[[Path], Scores]
    extra: str = ""
    modules: tuple[str, ...] = ()

    def require(self, name: str) -> None:
        """Refuse to begin without the packages.

        Raises:
            ResourceError: One is not installed; the line says how to.
        """
        if missing := [one for one in self.modules if importlib.util.find_spec(one) is None]:
            raise ResourceError(
                f"--to {name} needs {', '.join(missing)}: pip install 'fedrec[{self.extra}]'"
            )


def _write_pt2(module: nn.Module, inputs: Inputs, path: Path) -> None:
    torch.export.save(torch.export.export(module, inputs, strict=False), path)


def _load_pt2(path: Path) -> Scores:
    program = torch.export.load(path).module()

    def scores(items: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: Tensor = program(torch.from_numpy(items), torch.from_numpy(length))
        return found.numpy()

    return scores


def _write_onnx(module: nn.Module, inputs: Inputs, path: Path) -> None:
    torch.onnx.export(
        module,
        inputs,
        str(path),
        dynamo=True,
        external_data=False,
        input_names=["items", "length"],
        output_names=["scores"],
        verbose=False,
    )


def _load_onnx(path: Path) -> Scores:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def scores(items: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = session.run(None, {"items": items, "length": length})[0]
        return found

    return scores


def _write_pte(module: nn.Module, inputs: Inputs, path: Path) -> None:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    exported = torch.export.export(module, inputs, strict=False)
    lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    path.write_bytes(lowered.to_executorch().buffer)


def _load_pte(path: Path) -> Scores:
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(path)
    method = program.load_method("forward")

    def scores(items: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.float32]:
        found: Any = method.execute([torch.from_numpy(items), torch.from_numpy(length)])
        return np.asarray(found[0].detach().numpy())

    return scores


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what exporters print and warn of their own insides."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


FORMATS = {
    "folder": Format("program.pt2", _write_pt2, _load_pt2),
    "onnx": Format(
        "program.onnx", _write_onnx, _load_onnx, "onnx", ("onnx", "onnxruntime", "onnxscript")
    ),
    "pte": Format("program.pte", _write_pte, _load_pte, "executorch", ("executorch",)),
}
