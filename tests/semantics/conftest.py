from collections.abc import Callable

import pytest

from fedrec.data.catalog import Catalog


def _make_catalog(*titles: str, **columns: list) -> Catalog:
    count = len(titles)
    return Catalog(
        item_ids=columns.pop("item_ids", [str(10 * place) for place in range(1, count + 1)]),
        titles=list(titles),
        genres=columns.pop("genres", [()] * count),
        years=columns.pop("years", [None] * count),
        descriptions=columns.pop("descriptions", [""] * count),
        columns=columns,
    )


@pytest.fixture
def make_catalog() -> Callable[..., Catalog]:
    """Catalogue from titles; ids are "10", "20", ...; other columns by keyword."""
    return _make_catalog


@pytest.fixture
def films() -> Catalog:
    """Six films of two genres."""
    return _make_catalog(
        "Heat, The (1995)",
        "Night Train (1996)",
        "Funny Bones (1995)",
        "Party Girl (1996)",
        "Dead Man (1995)",
        "Clueless (1995)",
        genres=[("Crime",), ("Crime",), ("Comedy",), ("Comedy",), ("Crime",), ("Comedy",)],
    )
