"""Semantic signals of items, written by a language model: prompt, ledger, filters, file.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.semantics.signals.plan import Plan, make_plan
    from fedrec.semantics.signals.prompt import KINDS, Prompt, read_prompt
    from fedrec.semantics.signals.store import Signals, read_signals, write_signals

__all__ = [
    "KINDS",
    "Plan",
    "Prompt",
    "Signals",
    "make_plan",
    "read_prompt",
    "read_signals",
    "write_signals",
]

_HOMES = {
    "KINDS": "fedrec.semantics.signals.prompt",
    "Plan": "fedrec.semantics.signals.plan",
    "Prompt": "fedrec.semantics.signals.prompt",
    "Signals": "fedrec.semantics.signals.store",
    "make_plan": "fedrec.semantics.signals.plan",
    "read_prompt": "fedrec.semantics.signals.prompt",
    "read_signals": "fedrec.semantics.signals.store",
    "write_signals": "fedrec.semantics.signals.store",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
