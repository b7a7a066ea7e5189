"""Signals of a config's items: open model and ledger, estimate or ask, write the files."""

import contextlib
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedrec.config.config import Config
from fedrec.config.values.choices import names_in
from fedrec.errors import ConfigError
from fedrec.factory.data import open_prepared
from fedrec.factory.devices import device
from fedrec.files.atomic import write_file
from fedrec.files.home import home
from fedrec.llm.chat import Chat, Decoding, LanguageModel
from fedrec.llm.opening import is_address, open_model
from fedrec.runs.directory import LOCK, locked
from fedrec.semantics.signals import ledger as ledger_file
from fedrec.semantics.signals import store
from fedrec.semantics.signals.book import Book
from fedrec.semantics.signals.budget import Budget, Prices
from fedrec.semantics.signals.estimate import Estimate, assumed, estimate, measured
from fedrec.semantics.signals.ledger import Ledger
from fedrec.semantics.signals.page import render_page
from fedrec.semantics.signals.plan import Plan, make_plan
from fedrec.semantics.signals.prompt import read_prompt
from fedrec.semantics.signals.rules import NAME as RULES
from fedrec.semantics.signals.write import ask_all, counts, results

PILOT = 20  # items that a dry run asks a model of this process about, which costs nothing
REPORT = "signals.html"


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Options of ``fedrec signals``.

    Attributes:
        model: "smollm2", a transformers folder, or an address.
        kinds: Kinds of signals.
        model_name: Name of the model at the address.
        revision: Revision of the model at the address.
        key_variable: Environment variable with its API key.
        limit: Only so many items, the first of the catalogue.
        decoding: How answers are generated.
        parallel: Calls at a time.
        requests: Requests a minute, 0 for no limit.
        tokens: Tokens a minute, 0 for no limit.
        timeout: Seconds after which a call without an answer has failed.
        prices: Prices of a million tokens.
        max_cost: Cost that is never exceeded.
        seconds: Seconds a call, as the user states them.
    """

    model: str
    kinds: tuple[str, ...]
    model_name: str = ""
    revision: str = ""
    key_variable: str = ""
    limit: int | None = None
    decoding: Decoding = field(default_factory=Decoding)
    parallel: int = 4
    requests: int = 0
    tokens: int = 0
    timeout: float = 120.0
    prices: Prices = field(default_factory=Prices)
    max_cost: float | None = None
    seconds: float | None = None

    @property
    def is_address(self) -> bool:
        """Whether the model is behind an address."""
        return is_address(self.model)

    def __post_init__(self) -> None:
        problems = [
            f"{option} must be {least} or more, got {value}"
            for option, value, least in (
                ("--limit", self.limit, 1),
                ("--temperature", self.decoding.temperature, 0),
                ("--max-tokens", self.decoding.max_tokens, 1),
                ("--parallel", self.parallel, 1),
                ("--requests-per-minute", self.requests, 0),
                ("--tokens-per-minute", self.tokens, 0),
                ("--price-in", self.prices.prompt, 0),
                ("--price-out", self.prices.completion, 0),
                ("--max-cost", self.max_cost, 0),
                ("--seconds-per-call", self.seconds, 0),
            )
            if value is not None and not value >= least
        ]
        has_price = self.prices.prompt > 0 or self.prices.completion > 0
        if self.timeout <= 0:
            problems.append(f"--timeout must be above 0 seconds, got {self.timeout}")
        if self.max_cost is not None and not has_price:
            problems.append("--max-cost needs --price-in and --price-out: prices are never guessed")
        if not self.is_address and (has_price or self.model_name or self.key_variable):
            problems.append(
                "--price-in, --price-out, --model-name and --key-variable are for a model at an "
                f"address; --model {self.model} runs here and costs nothing"
            )
        if problems:
            raise ConfigError(*problems)


@dataclass(frozen=True, kw_only=True)
class Session:
    """An open run.

    Attributes:
        asking: The options.
        folder: Folder of ledger, signals and report.
        plan: What is asked.
        model: Who answers.
        budget: Cost so far.
        book: What is known.
    """

    asking: Asking
    folder: Path
    plan: Plan
    model: LanguageModel
    budget: Budget
    book: Book


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a run has left.

    Attributes:
        path: The file of signals.
        report: Its report, none where no model was asked.
        counts: "signals" and each failure -> items.
        stopped: Why it stopped before the end, or "".
    """

    path: Path
    report: Path | None
    counts: dict[str, int]
    stopped: str


def signals_folder(config: Config, asking: Asking, out: str | None) -> Path:
    """Where ledger, signals and report are: ``--out``, or a folder of FEDREC_HOME.

    Raises:
        ConfigError: It holds something else.
    """
    source = Path(config.data.source).name.partition(":")[0].partition(".")[0]
    model = asking.model_name if asking.is_address else Path(asking.model).name
    words = f"{source}-{model}".replace("/", "-").replace(" ", "-")
    folder = home() / "signals" / words
    if (read := Path(config.semantics.signals)).name == store.NAME:  # where the config reads them
        folder = read.parent
    if out:
        folder = Path(out).expanduser().absolute()
    ours = {ledger_file.NAME, LOCK}
    if asking.model == RULES:  # written anew each time: there is no ledger to go on from
        ours.add(store.NAME)
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--out {folder} is a file; give a folder")
    if held - ours and ledger_file.NAME not in held:
        raise ConfigError(
            f"--out {folder} is not empty and holds no {ledger_file.NAME}; choose another folder"
        )
    return folder


@contextlib.contextmanager
def opened(config: Config, asking: Asking, folder: Path) -> Iterator[Session]:
    """Open data, model and ledger; nothing is asked yet.

    Args:
        config: Config that names the data, ``semantics.fields`` and the seed.
        asking: The options.
        folder: Folder of the ledger.

    Raises:
        FedrecError: Data, model, options or folder cannot be used.
    """
    prompt = read_prompt(asking.kinds)
    dataset = open_prepared(config).dataset
    how: dict[str, Any] = {}
    if asking.is_address:
        how = {
            "key_variable": asking.key_variable,
            "parallel": asking.parallel,
            "requests": asking.requests,
            "tokens": asking.tokens,
            "timeout": asking.timeout,
            "seed": config.seed,
        }
    where = "cpu" if asking.is_address else str(device(config))
    model = open_model(
        asking.model, name=asking.model_name, revision=asking.revision, device=where, **how
    )
    plan = make_plan(
        dataset.catalog,
        dataset=dataset.name,
        fields=names_in(config.semantics.fields),
        prompt=prompt,
        decoding=asking.decoding,
        model=model,
        limit=asking.limit,
    )
    budget = Budget(asking.prices, asking.max_cost, asking.decoding.max_tokens)
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    with locked(folder), contextlib.closing(Ledger(folder / ledger_file.NAME)) as ledger:
        book = Book(ledger, budget, plan, is_billed=model.is_billed, day=today)
        yield Session(
            asking=asking, folder=folder, plan=plan, model=model, budget=budget, book=book
        )


def estimated(session: Session) -> Estimate:
    """What is still to be done; a model of this process is measured on some items first.

    Those items are in the ledger afterwards, so that nothing is asked for twice.
    """
    asking, plan, model, book = session.asking, session.plan, session.model, session.book
    if not model.is_billed and measured(plan, book) is None:
        ask_all(plan, model, book, first=PILOT)
    rates = measured(plan, book) or assumed(plan, asking.seconds)
    counter: Callable[[Chat], int] | None = None
    if not model.is_billed:
        counter = lambda chat: len(model.tokens(chat))  # type: ignore[attr-defined]  # noqa: E731
    return estimate(
        plan,
        book,
        rates,
        prices=asking.prices,
        parallel=asking.parallel if model.is_billed else 1,
        requests=asking.requests,
        tokens=asking.tokens,
        count_tokens=counter,
    )


def write(session: Session, command: str) -> Written:
    """Ask until all is over or the model stops; write signals and report of what there is.

    Args:
        session: The open run.
        command: The command as it was typed, for the report.
    """
    plan, book = session.plan, session.book
    stopped = ask_all(plan, session.model, book)
    found = results(plan, book)
    outcomes = counts(found)
    header = {
        "dataset": plan.dataset,
        **plan.settings,
        "date": book.day,
        "items": len(found),
        "counts": outcomes,
    }
    by_item = {item: one.signals for item, one in zip(plan.item_ids, found, strict=True)}
    path, report = session.folder / store.NAME, session.folder / REPORT
    digest = store.write_signals(path, header, by_item)
    page = render_page(
        plan,
        found,
        header=header | {"sha256": digest},
        calls=book.calls,
        costs=_costs(session),
        stopped=stopped,
        command=command,
    )
    write_file(report, page.encode("utf-8", "backslashreplace"))
    return Written(path=path, report=report, counts=outcomes, stopped=stopped)


def _costs(session: Session) -> dict[str, str]:
    """Tokens, cost and time as the report shows them."""
    book, prices = session.book, session.asking.prices
    has_price = prices.prompt or prices.completion
    priced = (
        f"{session.budget.spent:.4f} (at {prices.prompt:g} and {prices.completion:g} a million)"
    )
    free = "none (no price given)" if session.model.is_billed else "none (it runs here)"
    return {
        "tokens read": f"{book.prompt_tokens:,}",
        "tokens written": f"{book.completion_tokens:,}",
        "cost": priced if has_price else free,
        "seconds of calls": f"{book.seconds:,.0f}",
    }
