"""Names of runs at the bounds of their length."""

import pytest

from fedrec.config.keys import read_config
from fedrec.errors import ConfigError


@pytest.mark.parametrize("length", [1, 63, 64])
def test_a_run_name_has_up_to_64_letters(length):
    assert read_config({"run.name": "x" * length}).run.name == "x" * length


def test_a_run_name_of_65_letters_is_refused_and_shown_in_part():
    with pytest.raises(ConfigError, match=r"1 to 64 letters.*got 'x{40}\.\.\.'"):
        read_config({"run.name": "x" * 65})


@pytest.mark.parametrize(("length", "end"), [(40, ""), (41, "...")])
def test_forty_letters_of_a_refused_name_are_shown(length, end):
    with pytest.raises(ConfigError) as caught:
        read_config({"run.name": "/" * length})
    assert str(caught.value).endswith(f"got {'/' * 40 + end!r}")
