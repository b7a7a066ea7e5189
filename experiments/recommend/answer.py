"""`fedrec recommend RUN`: the best next items of a user, and where a new item would stand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.recommend.history import history_in, item_ids
from experiments.recommend.opened import Opened
from fedrec.config.values.choices import names_in, reads_signals
from fedrec.errors import ConfigError
from fedrec.factory.table import signals_of
from fedrec.inference.recommender import ReadyRecommender, Recommendation
from fedrec.inference.titles import ItemFinder

NEAREST = 5  # items that a new one is shown beside
NOT_TRAINED = "this user's client took no part in training, so that it has none"


def recommend(
    opened: Opened,
    user: str | None,
    history: Sequence[str],
    k: int,
    new: dict[str, Any] | None = None,
    history_file: Path | None = None,
) -> dict[str, Any]:
    """What a run says of a user or a history, and of a new item.

    Args:
        opened: The run.
        user: Original id of a user.
        history: Values of ``--history``, the newest last; instead of a user. See ``item_ids``.
        k: How many items.
        new: Title, genres, year and description of an item added after training, if any.
        history_file: File with further items of the history.

    Returns:
        As JSON has it: run, history, recommendations with the share of each view, views, what the
        user's own client would list ("personalised") where clients keep a part, new.

    Raises:
        FedrecError: Nobody to recommend to, an unknown id or title.
    """
    has_history = bool(history) or history_file is not None
    if (user is None) != has_history and not (new and user is None):
        raise ConfigError(
            'give one of --user ID and --history "ID or title|ID or title|...", the newest last'
        )
    check_k(k)
    finder = ItemFinder(opened.shared.catalog)
    items = item_ids(history, finder) + (history_in(history_file, finder) if history_file else [])
    whom: str | list[str] = items if user is None else user
    ready = opened.main(user)
    answer: dict[str, Any] = {"run": ready.name, "items": ready.catalog.num_items}
    if new is not None:
        columns: dict[str, Any] = {name: [value] for name, value in new.items()}
        ready = ready.with_items(**columns)
    if user is not None or items:
        answer |= {"user": user, "history": history_of(ready, whom)}
        answer["recommendations"] = listed(ready, ready.recommend(whom, k))
        answer["views"] = ready.view_weights(whom)
        answer |= _own_list(opened, user, k)
        if ready.config.semantics.signals:
            answer |= _signals(ready, answer["recommendations"])
    if new is not None:
        answer["new"] = placed(ready, whom)
    return answer | {"bytes": ready.search.bytes_held}


def similar(opened: Opened, item: str, k: int) -> dict[str, Any]:
    """The items nearest to one by their embeddings; the score is the cosine.

    Args:
        opened: The run.
        item: Id or title.
        k: How many.

    Raises:
        FedrecError: An unknown item, or a title of several.
    """
    check_k(k)
    ready = opened.main(None)
    found = ItemFinder(ready.catalog).find(item)
    return {
        "run": ready.name,
        **_named(ready, int(ready.numbers([found])[0])),
        "nearest": listed(ready, ready.nearest(found, k)),
    }


def check_k(k: int) -> None:
    """Refuse a length of a list that is none.

    Raises:
        ConfigError: It is below 1.
    """
    if k < 1:
        raise ConfigError(f"-k must be 1 or more, got {k}")


def _own_list(opened: Opened, user: str | None, k: int) -> dict[str, Any]:
    """What the client of a user would list, where the model has a private part beside another."""
    if not names_in(opened.shared.config.model.private):
        return {}
    if not opened.is_model:
        return {"by": "the user's client"}
    if user is None:
        return {"personalised": None, "not_personalised": "a typed history is no client's"}
    own = opened.of_user(user)
    if own is None:
        return {"personalised": None, "not_personalised": opened.why_not or NOT_TRAINED}
    return {
        "personalised": listed(own, own.recommend(user, k)),
        "personalised_views": own.view_weights(user),
    }


def _signals(ready: ReadyRecommender, listed: list[dict[str, Any]]) -> dict[str, Any]:
    """Who wrote the signals of a run, and when; each listed item is given its own."""
    for one in listed:
        one["signals"] = ready.signals(one["item"])
        weights = ready.item_views(one["item"]).items()
        one["weights"] = {name: weight for name, weight in weights if reads_signals(name)}
    signals = signals_of(ready.config.semantics)
    header = {} if signals is None else signals.header
    told = {name: header.get(name, "") for name in ("model", "revision", "date")}
    return {"signals_from": told | {"control": ready.config.semantics.signals_control}}


def history_of(ready: ReadyRecommender, whom: str | Sequence[str]) -> list[dict[str, str]]:
    """Id and title of each item of a history, the newest last."""
    return [_named(ready, int(number)) for number in ready.numbers(whom)]


def listed(ready: ReadyRecommender, found: Sequence[Recommendation]) -> list[dict[str, Any]]:
    """A list as JSON has it: rank, item, title, score, share of each view in the embedding."""
    return [
        {"rank": rank, **one._asdict(), "views": ready.item_views(one.item)}
        for rank, one in enumerate(found, start=1)
    ]


def _named(ready: ReadyRecommender, number: int) -> dict[str, str]:
    catalog = ready.catalog
    return {"item": catalog.item_ids[number - 1], "title": catalog.titles[number - 1]}


def placed(ready: ReadyRecommender, whom: str | Sequence[str]) -> dict[str, Any]:
    """Where the newest item stands among all, and beside which."""
    catalog = ready.catalog
    item = catalog.item_ids[-1]
    found: dict[str, Any] = {"item": item, "title": catalog.titles[-1]}
    if len(whom):
        seen = {int(number) for number in ready.numbers(whom)}
        found |= {"rank": ready.rank_of(item, whom), "of": catalog.num_items - len(seen)}
    return found | {"nearest": listed(ready, ready.nearest(item, NEAREST))}
