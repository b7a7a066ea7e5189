"""What a notebook cell shows of a recommender."""

from fedrec.data.catalog import Catalog
from fedrec.inference.search import ItemSearch
from fedrec.models.recommender import device_of
from fedrec.notebook.card import card

MIB = 1 << 20


def recommender_card(
    name: str, model: str, catalog: Catalog, users: int, search: ItemSearch
) -> str:
    """The HTML of a recommender.

    Args:
        name: Name of its run.
        model: Value of ``model.name``.
        catalog: Items, the added ones included.
        users: How many users it knows.
        search: Its search.
    """
    facts = {
        "model": model,
        "items": f"{catalog.num_items:,}",
        "users": f"{users:,}",
        "views": ", ".join(search.model.view_names),
        "device": device_of(search.model),
    }
    held = {what: f"{size / MIB:,.1f} MiB" for what, size in search.bytes_held.items()}
    return card(f"Recommender of run {name}", facts | held)
