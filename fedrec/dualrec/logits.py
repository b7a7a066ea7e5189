"""The trie as a ``LogitsProcessor`` of transformers, which is imported when one is made."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedrec.dualrec.trie import TitleTrie
from fedrec.errors import ConfigError
from fedrec.llm.extra import require


def title_processor(
    trie: TitleTrie,
    prompt_length: int,
    *,
    wanted: int = 1,
    excluded: NDArray[np.bool_] | None = None,
    num_beams: int = 1,
) -> Any:
    """Processor that lets a model write titles of the catalogue and nothing else.

    Args:
        trie: The titles.
        prompt_length: Tokens of the prompts, padding in front included.
        wanted: Titles of an answer.
        excluded: (B, V + 1) Items that must not be written, a row a prompt.
        num_beams: Rows that belong to a prompt, one after the other: beams or drawn sequences.

    Returns:
        A ``transformers.LogitsProcessor``: scores (B * num_beams, tokens) with -inf for each
        token that would leave the trie. It works with greedy, drawn and beam search.

    Raises:
        ConfigError: ``excluded`` has another number of items.
        ResourceError: transformers is not installed.
    """
    require("writing titles under a trie", "transformers")
    import torch
    from transformers import LogitsProcessor

    from fedrec.llm.local import limited

    if excluded is not None and (excluded.ndim != 2 or excluded.shape[1] != trie.num_items + 1):
        raise ConfigError(f"excluded must be (prompts, {trie.num_items + 1}), got {excluded.shape}")

    class TitleProcessor(LogitsProcessor):
        """Masks every token that leaves the trie."""

        def __call__(
            self, input_ids: torch.LongTensor, scores: torch.FloatTensor
        ) -> torch.FloatTensor:
            masked = scores.clone()
            for row, tokens in enumerate(input_ids[:, prompt_length:].tolist()):
                own = None if excluded is None else excluded[row // num_beams]
                masked[row] = limited(scores[row], trie.allowed(tokens, own, wanted))
            return masked  # type: ignore[return-value]  # torch's own types of clone

    return TitleProcessor()
