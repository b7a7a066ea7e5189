"""The doors of fedrec.files, fedrec.runs and fedrec.report: names, and what they load."""

import importlib
import subprocess
import sys

import pytest

PACKAGES = ("fedrec.files", "fedrec.runs", "fedrec.report")


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_listed_once_and_is_what_its_home_holds(name):
    package = importlib.import_module(name)
    assert set(package.__all__) == set(package._HOMES) <= set(dir(package))
    for public, home in package._HOMES.items():
        assert getattr(package, public) is getattr(importlib.import_module(home), public)
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_importing_the_packages_loads_nothing_behind_them():
    code = f"import sys, {', '.join(PACKAGES)}; print([n for n in sys.modules if n in {HEAVY!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


HEAVY = ("numpy", "pandas", "matplotlib", "rich", "jinja2", "torch", "fedrec.errors")
