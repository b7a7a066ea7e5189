"""Command signals: a language model writes about the items of a catalogue."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import Sets, Source, Trust
from experiments.cli.terminal import ending, print_path, typed

if TYPE_CHECKING:
    from experiments.signals import Written
    from fedrec.semantics.signals.budget import Prices
    from fedrec.semantics.signals.estimate import Estimate

app = typer.Typer()


@app.command()
def signals(
    source: Source = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Language model: smollm2, a transformers folder, or an OpenAI-compatible "
            "address such as http://127.0.0.1:8000/v1; or rules, which is no language model.",
        ),
    ] = "",
    sets: Sets = None,
    kinds: Annotated[
        str, typer.Option(metavar="KIND,...", help="Kinds of signals to write.")
    ] = "usage,intent,theme",
    limit: Annotated[
        int | None, typer.Option(help="Ask about the first N items of the catalogue only.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print calls, tokens, cost and time of what is left to do; pay for nothing.",
        ),
    ] = False,
    max_cost: Annotated[
        float | None,
        typer.Option(help="Stop before the cost of all calls of the folder exceeds this."),
    ] = None,
    price_in: Annotated[
        float, typer.Option("--price-in", help="Price of a million tokens read.")
    ] = 0.0,
    price_out: Annotated[
        float, typer.Option("--price-out", help="Price of a million tokens written.")
    ] = 0.0,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Folder of ledger, signals and report; one of FEDREC_HOME by default.",
        ),
    ] = None,
    model_name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the model at the address.")
    ] = "",
    revision: Annotated[
        str, typer.Option(metavar="TEXT", help="Revision of the model at the address, if known.")
    ] = "",
    key_variable: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Environment variable with the API key; it is never written."
        ),
    ] = "",
    parallel: Annotated[int, typer.Option(help="Calls at a time to an address.")] = 4,
    requests_per_minute: Annotated[
        int, typer.Option(help="Requests a minute that the address allows; 0 is no limit.")
    ] = 0,
    tokens_per_minute: Annotated[
        int, typer.Option(help="Tokens a minute that the address allows; 0 is no limit.")
    ] = 0,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which a call without an answer has failed.")
    ] = 120.0,
    seconds_per_call: Annotated[
        float | None,
        typer.Option(help="Seconds that a call takes, for --dry-run where none was measured."),
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="Temperature; 0 writes the same every time.")
    ] = 0.0,
    max_tokens: Annotated[int, typer.Option(help="Tokens after which an answer is cut.")] = 120,
    trust: Trust = False,
) -> None:
    """Write semantic signals of items by a language model.

    It reads the catalogue alone: no user, event or history enters a prompt. The same command goes
    on after an interruption, without a second call for what was answered.
    """
    with ending():
        from experiments.rule_signals import write_by_rules
        from experiments.settings import resolve
        from experiments.signals import (
            Asking,
            estimated,
            opened,
            signals_folder,
            write,
        )
        from fedrec.config.values.choices import names_in
        from fedrec.errors import ConfigError, ResourceError
        from fedrec.llm.chat import Decoding
        from fedrec.llm.smollm2 import TOO_SMALL, is_smollm2
        from fedrec.semantics.signals.budget import Prices
        from fedrec.semantics.signals.rules import NAME as RULES

        if not model:
            raise ConfigError(
                "--model is needed: smollm2, a transformers folder, an address, or rules"
            )
        config = resolve(source, sets or (), trust=trust)
        asking = Asking(
            model=model,
            kinds=tuple(names_in(kinds)),
            model_name=model_name,
            revision=revision,
            key_variable=key_variable,
            limit=limit,
            decoding=Decoding(temperature=temperature, max_tokens=max_tokens, seed=config.seed),
            parallel=parallel,
            requests=requests_per_minute,
            tokens=tokens_per_minute,
            timeout=timeout,
            prices=Prices(prompt=price_in, completion=price_out),
            max_cost=max_cost,
            seconds=seconds_per_call,
        )
        folder = signals_folder(config, asking, out)
        if model == RULES:
            _print_written(write_by_rules(config, asking, folder))
            return
        with opened(config, asking, folder) as session:
            if is_smollm2(session.model.name):
                typer.echo(f"warning: {TOO_SMALL}")
            if dry_run:
                for line in told_estimate(estimated(session), asking.prices):
                    typer.echo(line)
                return
            left = sum(not session.book.is_over(key) for key in session.plan.asked)
            with item_bar(left) as advance:
                session.book.on_item = advance
                written = write(session, typed())
        _print_written(written)
        if written.stopped:
            raise ResourceError(
                f"stopped before the end: {written.stopped}; the same command goes on"
            )


def _print_written(written: "Written") -> None:
    for what, count in written.counts.items():
        typer.echo(f"{what}: {count:,} items")
    print_path("signals", written.path)
    if written.report is not None:
        print_path("report", written.report)


@contextlib.contextmanager
def item_bar(count: int) -> Iterator[Callable[[], None]]:
    """Show on a terminal how many items are over; yields what is to be called for each."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = ("items", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("items", total=count)
        yield lambda: bar.advance(task)


def told_estimate(found: "Estimate", prices: "Prices") -> list[str]:
    """The lines of a dry run, each with where its number is from."""
    rates = found.rates
    source = f"measured on {rates.items:,} items" if rates.items else "assumed, nothing measured"
    has_price = prices.prompt or prices.completion
    cost = f"{found.cost:.4f}" if has_price else "none (no price given)"
    if found.seconds is None:
        time = "not known; state it by --seconds-per-call, or measure it by --limit 20 without "
        time += "--dry-run"
    else:
        hours, rest = divmod(round(found.seconds), 3600)
        time = f"{hours}:{rest // 60:02}:{rest % 60:02} ({found.seconds:,.0f} seconds)"
    return [
        f"items: {found.items:,} to ask about",
        f"calls: {found.calls:,.0f} ({rates.calls:.2f} an item, {source})",
        f"tokens: {found.prompt_tokens:,.0f} read, {found.completion_tokens:,.0f} written",
        f"cost: {cost}",
        f"time: {time}",
    ]
