"""What the terminal shows of an answer: lists with the share of each view, signals, a new item."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fedrec.runs.plain_text import plain

RECENT = 3  # titles by which a history is shown


def shown(answer: dict[str, Any]) -> Iterator[Table | Text]:
    """What the terminal shows of ``recommend``'s answer."""
    if "recommendations" in answer:
        yield _heading(answer)
        own = answer.get("personalised")
        if own is not None:
            yield Text("By the global model:", style="bold")
        elif "by" in answer:
            yield Text(f"By {answer['by']}:", style="bold")
        yield _table(answer["recommendations"], "score", ".3f")
        yield _read_by(answer["views"], answer["recommendations"])
        if own is not None:
            yield Text("By the model of the user's client:", style="bold")
            yield _table(own, "score", ".3f")
            yield _read_by(answer["personalised_views"], own)
        elif "not_personalised" in answer:
            yield Text(f"No personalised list: {answer['not_personalised']}.", style="dim")
        if "signals_from" in answer:
            yield from _signals_shown(answer)
    if "new" in answer:
        new = answer["new"]
        title = Text("New: ").append(_title(new), style="bold")
        if "rank" in new:
            title.append(f", rank {new['rank']:,.10g} of {new['of']:,} for this history")
        yield Text("\n").append_text(title).append("\nNearest to it:")
        yield _table(new["nearest"], "cosine", ".2f")


def similar_shown(answer: dict[str, Any]) -> Iterator[Table | Text]:
    """What the terminal shows of ``similar``'s answer."""
    yield Text(f"{plain(answer['run'])}: nearest to ").append(_title(answer), style="bold")
    yield _table(answer["nearest"], "cosine", ".2f")


def _read_by(weights: dict[str, float], rows: Sequence[dict[str, Any]]) -> Text:
    """How much each view weighs in the history, and what the shares beside the titles are."""
    told = ", ".join(f"{plain(name)} {weight:.2f}" for name, weight in weights.items())
    text = f"Read from the history by {told}."
    if len(views := _views(rows)) > 1:
        text += f"\nShares of the views in percent: {'/'.join(map(plain, views))}."
    return Text(text, style="dim")


def _views(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(rows[0]["views"]) if rows else []


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
    has_shares = len(_views(rows)) > 1
    if has_shares:
        table.add_column("views %", justify="right", no_wrap=True)
    for row in rows:
        cells = (
            str(row["rank"]),
            plain(row["item"]),
            plain(row["title"]),
            f"{row['score']:{form}}",
            *["/".join(f"{100 * share:.0f}" for share in row["views"].values())] * has_shares,
        )
        table.add_row(*map(Text, cells))
    return table


def _title(one: dict[str, Any]) -> str:
    return plain(one["title"]) or plain(one["item"])
