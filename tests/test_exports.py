"""Names that the sub-packages of fedrec hand on: sorted, importable, documented, and lazy."""

import importlib
import inspect
import subprocess
import sys

import pytest

PACKAGES = [
    "baselines",
    "config",
    "data",
    "evaluation",
    "factory",
    "inference",
    "models",
    "semantics",
    "training",
]


@pytest.fixture(params=PACKAGES)
def package(request):
    return importlib.import_module(f"fedrec.{request.param}")


def test_every_list_of_names_is_sorted_and_has_a_home_for_each(package):
    assert package.__all__ == sorted(package.__all__)
    assert list(package._HOMES) == package.__all__


def test_every_name_can_be_imported_from_its_package_and_is_documented(package):
    assert inspect.getdoc(package)
    for name in package.__all__:
        found = getattr(package, name)
        assert found is getattr(
            importlib.import_module(f"{package.__name__}.{package._HOMES[name]}"), name
        )
        if inspect.isfunction(found) or inspect.isclass(found):
            assert inspect.getdoc(found), name
            assert found.__name__ == name


def test_no_name_is_that_of_a_module_which_would_hide_it(package):
    for name in package.__all__:
        assert not inspect.ismodule(getattr(package, name))


def test_names_are_listed_and_others_refused(package):
    assert set(package.__all__) <= set(dir(package))
    message = f"module '{package.__name__}' has no attribute 'nothing'"
    with pytest.raises(AttributeError, match=message):
        _ = package.nothing


def test_importing_the_packages_imports_nothing_heavy():
    code = f"""
import sys, fedrec
{"; ".join(f"import fedrec.{name}" for name in PACKAGES)}
print({{"torch", "pandas", "numpy", "flwr", "ray", "scipy"}} & set(sys.modules))
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "set()"
