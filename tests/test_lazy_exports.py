"""Public names of sub-packages: sorted, there, and imported only when they are used."""

import importlib
import subprocess
import sys

import pytest

PACKAGES = ["fedrec.models", "fedrec.training", "fedrec.factory"]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_there_and_listed(name):
    package = importlib.import_module(name)
    for public in package.__all__:
        assert getattr(package, public) is not None
    assert set(package.__all__) <= set(dir(package))
    assert sorted(package.__all__) == sorted(package._HOMES)


@pytest.mark.parametrize("name", PACKAGES)
def test_what_there_is_not_is_named(name):
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'Nothing'"):
        importlib.import_module(name).Nothing  # noqa: B018


def test_importing_a_package_loads_neither_torch_nor_pandas():
    code = f"import sys, {', '.join(PACKAGES)}; print({{'torch', 'pandas'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
