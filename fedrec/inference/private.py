"""A personalised recommender: the shared model with the private parameters of one client."""

import copy
import dataclasses

from fedrec.config.values.choices import names_in
from fedrec.errors import DataError, MessageError
from fedrec.inference.recommender import ReadyRecommender
from fedrec.inference.search import ItemSearch
from fedrec.models.parameters import NamedArrays, groups_of, load_arrays


def personalised(ready: ReadyRecommender, arrays: NamedArrays) -> ReadyRecommender:
    """The recommender of a client.

    Args:
        ready: Recommender by the shared part, of ``open_recommender(..., shared_only=True)``.
        arrays: Private parameters by name, as the client has kept them.

    Raises:
        DataError: They are of another model.
    """
    model = copy.deepcopy(ready.search.model)
    names = groups_of(model, names_in(ready.config.model.private)).private
    try:
        load_arrays(model, arrays, names)
    except MessageError as error:
        raise DataError(f"private parameters of another model: {error}") from None
    old = ready.search
    search = ItemSearch(model, ready.catalog.num_items, old.max_length, score_bytes=old.score_bytes)
    return dataclasses.replace(ready, search=search)
