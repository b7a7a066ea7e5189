"""Public names of sub-packages: sorted, importable, documented, and imported only when used."""

import importlib
import inspect
import subprocess
import sys

import pytest

NAMES = (
    *("baselines", "config", "data", "dualrec", "evaluation", "factory", "files"),
    *("inference", "llm", "models", "report", "runs", "semantics", "semantics.signals"),
    "training",
)
PACKAGES = [f"fedrec.{name}" for name in NAMES]


def order(name):
    """Constants, then classes, then functions, as ruff sorts."""
    return not name.isupper(), not name[0].isupper(), name


@pytest.mark.parametrize("name", PACKAGES)
def test_every_list_of_names_is_sorted_and_has_a_home_for_each(name):
    package = importlib.import_module(name)
    assert package.__all__ == sorted(package.__all__, key=order)
    assert sorted(package.__all__) == sorted(package._HOMES)
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_there_and_documented(name):
    package = importlib.import_module(name)
    assert inspect.getdoc(package)
    for public in package.__all__:
        found = getattr(package, public)
        # A name like that of a module would be hidden by it.
        assert not inspect.ismodule(found)
        assert found is getattr(importlib.import_module(package._HOMES[public]), public)
        if inspect.isfunction(found) or inspect.isclass(found):
            assert inspect.getdoc(found), public


@pytest.mark.parametrize("name", PACKAGES)
def test_what_there_is_not_is_named(name):
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'Nothing'"):
        importlib.import_module(name).Nothing  # noqa: B018


def test_importing_the_packages_imports_nothing_heavy():
    code = (
        f"import sys, {', '.join(PACKAGES)}; "
        "print({'torch', 'pandas', 'numpy', 'scipy', 'flwr', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", ["fedrec", *PACKAGES])
def test_dir_lists_public_names_and_packages_only(name):
    package = importlib.import_module(name)
    plain = {each for each in dir(package) if not each.startswith("__")}
    packages = plain - set(package.__all__)
    assert all(hasattr(importlib.import_module(f"{name}.{each}"), "__path__") for each in packages)
    assert {"__all__", "__doc__", *package.__all__} <= set(dir(package))
