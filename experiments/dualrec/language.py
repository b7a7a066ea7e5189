"""The language model's part: it orders stage 1's list, or names titles of the catalogue.

Every answer is in the ledger before the next one is asked for: a killed command goes on.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedrec.config.sections.dualrec import Dualrec
from fedrec.data.catalog import Catalog
from fedrec.dualrec.answers import AnswerCounts, read_answer
from fedrec.dualrec.permutation import PermutationCounts, read_permutation
from fedrec.dualrec.prompt import WANTED, DualrecPrompt, read_dualrec_prompt
from fedrec.dualrec.title_forms import shown_titles
from fedrec.dualrec.titles import TitleIndex
from fedrec.dualrec.trie import catalogue_trie
from fedrec.errors import ResourceError
from fedrec.llm.chat import Answer, Chat, Decoding, Fault, LanguageModel
from fedrec.semantics.signals.ledger import Ledger

MAX_TOKENS = {"order": 80, "titles": 200, "free": 160}


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Lists as the language model left them, and what became of its answers.

    Attributes:
        lists: (U, K) What it named or ordered first, then the rest of stage 1's list.
        shares: Name -> share of answers, titles or numbers, see the counts.
        faults: Calls that brought no answer.
    """

    lists: NDArray[np.int64]
    shares: dict[str, float]
    faults: int


class _Observer:
    """Books every answer before the next one is asked for."""

    def __init__(self, ledger: Ledger, advance: Callable[[], None]) -> None:
        self._ledger, self._advance = ledger, advance
        self.texts = {r["key"]: r["text"] for r in ledger.records if r["event"] == "answer"}
        self.faults = 0

    def may_ask(self, chat: Chat) -> bool:
        return chat.key not in self.texts

    def ended(self, chat: Chat, reply: Answer | Fault) -> None:
        if isinstance(reply, Answer):
            self._ledger.append({"event": "answer", "key": chat.key, **asdict(reply)})
            self.texts[chat.key] = reply.text
        else:
            self._ledger.append({"event": "fault", "key": chat.key, **asdict(reply)})
            self.faults += 1
        self._advance()


def answer(
    settings: Dualrec,
    model: LanguageModel,
    catalog: Catalog,
    histories: Sequence[NDArray[np.int64]],
    lists: NDArray[np.int64],
    *,
    seed: int,
    ledger: Path,
    advance: Callable[[], None] = lambda: None,
) -> Answered:
    """Ask the language model about every user; calls in the ledger are not made again.

    Args:
        settings: Section ``dualrec``.
        model: The language model.
        catalog: Catalogue of the items.
        histories: Items of each of U users, the newest last.
        lists: (U, K) Stage 1's items, the best first.
        seed: Seed of the run.
        ledger: File of the calls.
        advance: Called after each call.

    Raises:
        ResourceError: The model stopped before the end; the same command goes on.
    """
    prompt, titles = read_dualrec_prompt(), shown_titles(catalog)
    decoding = Decoding(temperature=0.0, max_tokens=MAX_TOKENS[settings.answers], seed=seed)
    limit = _limit(settings, model, catalog, titles)
    chats = [
        _chat(settings, model, prompt, titles, history, own, decoding, limit)
        for history, own in zip(histories, lists, strict=True)
    ]
    opened = Ledger(ledger)
    try:
        observer = _Observer(opened, advance)
        stopped = model.ask(chats, decoding, observer)
    finally:
        opened.close()
    if stopped:
        raise ResourceError(f"stopped before the end: {stopped}; the same command goes on")
    texts = [observer.texts.get(chat.key, "") for chat in chats]
    if settings.answers == "order":
        return _ordered(texts, lists, observer.faults)
    return _named(texts, TitleIndex(catalog), histories, lists, observer.faults)


def _chat(
    settings: Dualrec,
    model: LanguageModel,
    prompt: DualrecPrompt,
    titles: Sequence[str],
    history: NDArray[np.int64],
    own: NDArray[np.int64],
    decoding: Decoding,
    limit: Callable[[NDArray[np.int64]], Callable[[Sequence[int]], list[int]]] | None,
) -> Chat:
    watched = [titles[item - 1] for item in history[-settings.recent :]]
    if settings.answers == "order":
        listed = [titles[item - 1] for item in own if item]
        messages = prompt.ask_order(watched, listed, recent=settings.recent)
    else:
        messages = prompt.ask_titles(watched, titles[own[0] - 1], recent=settings.recent)
    facts: dict[str, Any] = {
        "model": [model.name, model.revision],
        "prompt": prompt.sha256,
        "messages": messages,
        "answers": settings.answers,
        "decoding": asdict(decoding),
    }
    if limit is not None:
        facts["seen"] = sorted(set(history.tolist()))
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return Chat(key=key, messages=messages, allowed=None if limit is None else limit(history))


def _limit(
    settings: Dualrec, model: LanguageModel, catalog: Catalog, titles: Sequence[str]
) -> Callable[[NDArray[np.int64]], Callable[[Sequence[int]], list[int]]] | None:
    """What makes, of a history, the tokens that may follow: unseen titles, a line each."""
    if settings.answers != "titles":
        return None
    trie = catalogue_trie(
        titles,
        lambda text: model.encode(text),  # type: ignore[attr-defined]  # of a model of this process
        end=model.end,  # type: ignore[attr-defined]
        separator=model.encode("\n")[-1],  # type: ignore[attr-defined]
    )

    def of(history: NDArray[np.int64]) -> Callable[[Sequence[int]], list[int]]:
        seen = np.zeros(catalog.num_items + 1, dtype=np.bool_)
        seen[history] = True
        return lambda tokens: trie.allowed(tokens, seen, WANTED)

    return of


def _ordered(texts: Sequence[str], lists: NDArray[np.int64], faults: int) -> Answered:
    counts, rows = PermutationCounts(), lists.copy()
    for row, text in enumerate(texts):
        real = int((lists[row] > 0).sum())
        if not real:
            continue
        found = read_permutation(text, real)
        counts += found.counts
        rows[row, :real] = lists[row, list(found.order)]
    return Answered(lists=rows, shares=counts.shares(), faults=faults)


def _named(
    texts: Sequence[str],
    index: TitleIndex,
    histories: Sequence[NDArray[np.int64]],
    lists: NDArray[np.int64],
    faults: int,
) -> Answered:
    counts, rows = AnswerCounts(), lists.copy()
    for row, (text, history) in enumerate(zip(texts, histories, strict=True)):
        found = read_answer(text, index, history.tolist())
        counts += found.counts
        rest = [int(item) for item in lists[row] if item and int(item) not in found.items]
        whole = [*found.items, *rest][: lists.shape[1]]
        rows[row] = 0
        rows[row, : len(whole)] = whole
    return Answered(lists=rows, shares=counts.shares(), faults=faults)
