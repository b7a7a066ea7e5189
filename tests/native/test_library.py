"""Compilation of the kernels: where it cannot be done, torch computes, and a line says why."""

import ctypes
import os
import re
import subprocess
from pathlib import Path

import pytest

import fedrec.native
from fedrec.config.keys import read_config
from fedrec.errors import ConfigError
from fedrec.factory import devices
from fedrec.factory.devices import kernel_facts, uses_kernel
from fedrec.native import library

FOLDER = Path(fedrec.native.__file__).parent / "source"
CACHED = (library.key, library.library, library.sources, library.why_not)


@pytest.fixture
def afresh(tmp_path, monkeypatch):
    """An empty FEDREC_HOME; forget what was compiled, before and after."""
    monkeypatch.setenv("FEDREC_HOME", str(tmp_path / "empty"))
    for function in CACHED:
        function.cache_clear()
    yield
    for function in CACHED:
        function.cache_clear()


def config(**keys):
    named = {name.replace("_", "."): value for name, value in keys.items()}
    base = {"device": "cpu", "model.width": 32, "model.hidden": 32, "local.kernel": "auto"}
    return read_config(base | named)


def test_the_hash_of_the_sources_is_that_of_the_folder():
    """Whoever changes a kernel writes its new hash: it is what both sides of a run compare."""
    assert library.hash_of(FOLDER) == library.SOURCES_SHA256


def test_every_source_is_read_for_the_hash(tmp_path):
    for path in FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert library.hash_of(tmp_path) == library.SOURCES_SHA256
    (tmp_path / "norm.h").write_text((FOLDER / "norm.h").read_text().replace("1e-5f", "2e-5f"))
    assert library.hash_of(tmp_path) != library.SOURCES_SHA256


def test_without_a_compiler_torch_computes(afresh, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no C++ compiler is here (g++ or clang++; $CXX names another)" in library.why_not()
    assert not uses_kernel(config())
    assert kernel_facts(config()) == {"name": "torch"}
    with pytest.raises(ConfigError, match=r"local.kernel = 'native': no C\+\+ compiler .*'auto'"):
        uses_kernel(config(local_kernel="native"))


def test_a_compiler_that_refuses_is_told_in_one_line(afresh, monkeypatch, tmp_path):
    program = tmp_path / "refuses"
    program.write_text("#!/bin/sh\necho 'no such processor' >&2\necho 'more' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("CXX", str(program))
    assert library.why_not() == f"{program} cannot compile the kernels: no such processor"
    left = [path.suffix for path in (Path(os.environ["FEDREC_HOME"]) / "native").iterdir()]
    assert left == [".lock"]


def test_sources_of_another_version_are_refused(afresh, monkeypatch):
    monkeypatch.setattr(library, "SOURCES_SHA256", "0" * 64)
    assert "holds the kernels of another version of fedrec" in library.why_not()


def test_the_sources_are_found_beside_a_bundle_without_them(afresh, monkeypatch, tmp_path):
    """Flower ships Python alone; what is installed lies further back in the path."""
    bundle = tmp_path / "fedrec" / "native"
    bundle.mkdir(parents=True)
    monkeypatch.setattr(library, "__file__", str(bundle / "library.py"))
    assert library.sources() == FOLDER
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    library.sources.cache_clear()
    with pytest.raises(library.CompileError, match="sources of the kernels are not here"):
        library.sources()


def test_the_kernels_are_compiled_once(afresh, capfd):
    first = library.library()
    assert "compiling the kernels" in capfd.readouterr().err
    library.library.cache_clear()
    assert library.library()._name == first._name
    assert capfd.readouterr().err == ""


def test_who_computes_is_a_question_of_key_device_and_width(monkeypatch):
    assert uses_kernel(config())
    assert kernel_facts(config())["name"] == "native"
    assert not uses_kernel(config(local_kernel="torch"))
    assert not uses_kernel(config(model_width=24))
    with pytest.raises(ConfigError, match=r"model.width is 24, and they take multiples of 16"):
        uses_kernel(config(model_width=24, local_kernel="native"))
    hidden = config(model_hidden=40, local_kernel="native")
    with pytest.raises(ConfigError, match=r"model.hidden is 40, and they take multiples of 16"):
        uses_kernel(hidden)
    heads = config(model_heads=4, local_kernel="native")
    with pytest.raises(ConfigError, match=r"the width of a head, .*, is 8, and they take multip"):
        uses_kernel(heads)
    # Torch's encoders have any widths.
    assert uses_kernel(config(model_hidden=40, model_block="ligr"))
    assert uses_kernel(config(model_hidden=40, model_name="gru4rec"))
    monkeypatch.setattr(devices, "device", lambda config: devices.torch.device("cuda"))
    assert not uses_kernel(config())
    with pytest.raises(ConfigError, match="a GPU computes here"):
        uses_kernel(config(local_kernel="native"))


@pytest.mark.slow
@pytest.mark.parametrize("processor", ["x86-64", "x86-64-v3", "x86-64-v4"])
def test_sums_of_any_vector_width_agree(processor, tmp_path):
    """The same source for SSE, AVX2 and AVX-512, as far as this machine can run them."""
    program = library.compiler()
    built = tmp_path / f"{processor}.so"
    files = [str(path) for path in sorted(FOLDER.glob("*.cpp"))]
    flags = [*library.FLAGS, f"-march={processor}", "-Wno-psabi"]
    done = subprocess.run([program, *flags, *files, "-o", str(built)], capture_output=True)
    if done.returncode and re.search(rb"bad value|unknown", done.stderr):
        pytest.skip("no x86")
    assert done.returncode == 0, done.stderr
    known = Path("/proc/cpuinfo").read_text()
    if (processor == "x86-64-v4" and "avx512f" not in known) or (
        processor == "x86-64-v3" and "avx2" not in known
    ):
        pytest.skip("compiled; this processor cannot run it")
    checked = subprocess.run(
        ["python", "-m", "pytest", "-q", "-n0", "tests/native/test_encoder.py",
         "tests/native/test_logsumexp.py", "-p", "tests.native.another_build"],
        env=os.environ | {"ANOTHER_BUILD": str(built)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout[-2000:]
    assert ctypes.CDLL(str(built)).encoder_forward
