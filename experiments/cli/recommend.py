"""`fedrec recommend RUN`: the best next items of a user, and where a new item would stand."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

import fedrec
from experiments.engines.run import see_own_modules
from fedrec.config.values.choices import reads_signals
from fedrec.errors import ConfigError
from fedrec.factory.table import signals_of
from fedrec.inference.recommender import ReadyRecommender, Recommendation
from fedrec.runs.plain_text import plain

NEAREST = 5  # items that a new one is shown beside
RECENT = 3  # titles by which a history is shown


def recommend(
    folder: Path,
    user: str | None,
    history: Sequence[str],
    k: int,
    new: dict[str, Any] | None,
    *,
    trust: bool = False,
) -> dict[str, Any]:
    """What a run says of a user or a history, and of a new item.

    Args:
        folder: Folder of the run.
        user: Original id of a user.
        history: Values of ``--history``, the newest last; instead of a user. See ``item_ids``.
        k: How many items.
        new: Title, genres, year and description of an item added after training, if any.
        trust: Import the modules that the run's config names, if any.

    Returns:
        As JSON has it: run, memory, history, recommendations, views, new.

    Raises:
        FedrecError: Nobody to recommend to, an unknown id, or a run that cannot be opened.
    """
    if (user is None) == (not history) and not (new and user is None):
        raise ConfigError("give one of --user ID and --history ID,ID,..., the newest last")
    if k < 1:
        raise ConfigError(f"-k must be 1 or more, got {k}")
    see_own_modules()
    ready = fedrec.open_recommender(folder, trust=trust)
    items = item_ids(history, ready.catalog.item_ids) if history else None
    whom = user if user is not None else items or []
    answer: dict[str, Any] = {"run": ready.name, "items": ready.catalog.num_items}
    if new is not None:
        columns: dict[str, Any] = {name: [value] for name, value in new.items()}
        ready = ready.with_items(**columns)
    if user is not None or items is not None:
        answer |= {"user": user, "history": _history(ready, whom)}
        answer["recommendations"] = _listed(ready.recommend(whom, k))
        answer["views"] = ready.view_weights(whom)
        if ready.config.semantics.signals:
            answer |= _signals(ready, answer["recommendations"])
    if new is not None:
        answer["new"] = _placed(ready, whom)
    return answer | {"bytes": ready.search.bytes_held}


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


def item_ids(values: Sequence[str], known: Sequence[str]) -> list[str]:
    """The ids that ``--history`` names: a value is one id as it stands, else ids and commas.

    So an id that holds a comma, or begins with a blank, is a value of its own.

    Args:
        values: As they were typed; the newest last.
        known: All ids of the catalogue.

    Raises:
        ConfigError: A value with nothing before or between its commas.
    """
    items, there = [], set(known)
    for value in values:
        parts = [value] if value in there else value.split(",")
        if not all(part.strip() for part in parts):
            raise ConfigError(
                f"--history must be ids with a comma between, got {value!r}; an id that holds a "
                "comma or a blank is given whole, by a --history of its own"
            )
        items += [part if part in there else part.strip() for part in parts]
    return items


def history_in(path: Path) -> list[str]:
    """The ids in a file, one a line as it stands, the newest last; blank lines are left out.

    Raises:
        ConfigError: No text file, or nothing in it.
    """
    try:
        if not path.is_file():
            raise ValueError("no regular file")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"--history-file {str(path)!r} cannot be read: {error}") from None
    if not any(line.strip() for line in lines):
        raise ConfigError(f"--history-file {str(path)!r} is empty; it needs one item id a line")
    return [line for line in lines if line.strip()]


def _history(ready: ReadyRecommender, whom: str | Sequence[str]) -> list[dict[str, str]]:
    catalog = ready.catalog
    return [
        {"item": catalog.item_ids[number - 1], "title": catalog.titles[number - 1]}
        for number in ready.numbers(whom)
    ]


def _listed(found: Sequence[Recommendation]) -> list[dict[str, Any]]:
    return [{"rank": rank, **one._asdict()} for rank, one in enumerate(found, start=1)]


def _placed(ready: ReadyRecommender, whom: str | Sequence[str]) -> dict[str, Any]:
    """Where the newest item stands among all, and beside which."""
    catalog = ready.catalog
    item = catalog.item_ids[-1]
    placed: dict[str, Any] = {"item": item, "title": catalog.titles[-1]}
    if len(whom):
        seen = {int(number) for number in ready.numbers(whom)}
        placed |= {"rank": ready.rank_of(item, whom), "of": catalog.num_items - len(seen)}
    return placed | {"nearest": _listed(ready.nearest(item, NEAREST))}


def shown(answer: dict[str, Any]) -> Iterator[Table | Text]:
    """What the terminal shows of ``recommend``'s answer."""
    if "recommendations" in answer:
        yield _heading(answer)
        yield _table(answer["recommendations"], "score", ".3f")
        weights = (f"{plain(name)} {weight:.2f}" for name, weight in answer["views"].items())
        yield Text(f"Read from the history by {', '.join(weights)}.", style="dim")
        if "signals_from" in answer:
            yield from _signals_shown(answer)
    if "new" in answer:
        new = answer["new"]
        title = Text("New: ").append(_title(new), style="bold")
        if "rank" in new:
            title.append(f", rank {new['rank']:,.10g} of {new['of']:,} for this history")
        yield Text("\n").append_text(title).append("\nNearest to it:")
        yield _table(new["nearest"], "cosine", ".2f")


def _signals_shown(answer: dict[str, Any]) -> Iterator[Table | Text]:
    """The signals of the listed items, with the weight of their views where they are views."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0))
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("signal", no_wrap=True)
    table.add_column("text", overflow="fold")
    table.add_column("weight", justify="right", no_wrap=True)
    for row in answer["recommendations"]:
        for kind, text in row["signals"].items():
            weight = row["weights"].get(f"signal-{kind}", row["weights"].get("signals-mean"))
            said = "in the text" if weight is None else f"{weight:.2f}"
            table.add_row(*map(Text, (str(row["rank"]), plain(kind), plain(text), said)))
    yield table
    source = answer["signals_from"]
    by = " ".join(plain(str(source[name])) for name in ("model", "revision") if source[name])
    control = source["control"]
    yield Text(
        f"Signals by {by or 'nobody named'}, {plain(str(source['date'])) or 'no date'}"
        + (f"; control: {control}" if control != "none" else "")
        + ". The weight is the share of the view in the item's embedding.",
        style="dim",
    )


def _heading(answer: dict[str, Any]) -> Text:
    history = answer["history"]
    user = answer["user"]
    text = Text(f"{plain(answer['run'])}: next for ")
    text.append("this history" if user is None else f"user {plain(user)}", style="bold")
    recent = "; ".join(_title(one) for one in history[: -RECENT - 1 : -1])
    more = len(history) - RECENT
    return text.append(f"\nAfter {recent}" + (f" and {more:,} before" if more > 0 else ""))


def _table(rows: Sequence[dict[str, Any]], measure: str, form: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0))
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("item", no_wrap=True, max_width=24)
    table.add_column("title", overflow="ellipsis", no_wrap=True)
    table.add_column(measure, justify="right", no_wrap=True)
    for row in rows:
        cells = (
            str(row["rank"]),
            plain(row["item"]),
            plain(row["title"]),
            f"{row['score']:{form}}",
        )
        table.add_row(*map(Text, cells))
    return table


def _title(one: dict[str, Any]) -> str:
    return plain(one["title"]) or plain(one["item"])
