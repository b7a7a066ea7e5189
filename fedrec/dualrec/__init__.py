"""DUALRec's later stages: prompts, answers matched to the catalogue, a trie, reranking.

Li & Grasman, arXiv 2507.13957. Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from fedrec.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from fedrec.dualrec.answers import AnswerCounts, ReadAnswer, read_answer
    from fedrec.dualrec.logits import title_processor
    from fedrec.dualrec.permutation import Permutation, PermutationCounts, read_permutation
    from fedrec.dualrec.prompt import DualrecPrompt, read_dualrec_prompt
    from fedrec.dualrec.published import ScoringExhibit, exhibit_of_published_scoring
    from fedrec.dualrec.rerank import ChosenWeight, choose_weight, reranked, reranked_as_published
    from fedrec.dualrec.title_forms import shown_titles
    from fedrec.dualrec.titles import TitleIndex, TitleMatch
    from fedrec.dualrec.trie import TitleTrie, catalogue_trie

__all__ = [
    "AnswerCounts",
    "ChosenWeight",
    "DualrecPrompt",
    "Permutation",
    "PermutationCounts",
    "ReadAnswer",
    "ScoringExhibit",
    "TitleIndex",
    "TitleMatch",
    "TitleTrie",
    "catalogue_trie",
    "choose_weight",
    "exhibit_of_published_scoring",
    "read_answer",
    "read_dualrec_prompt",
    "read_permutation",
    "reranked",
    "reranked_as_published",
    "shown_titles",
    "title_processor",
]

_HOMES = {
    "AnswerCounts": "fedrec.dualrec.answers",
    "ChosenWeight": "fedrec.dualrec.rerank",
    "DualrecPrompt": "fedrec.dualrec.prompt",
    "Permutation": "fedrec.dualrec.permutation",
    "PermutationCounts": "fedrec.dualrec.permutation",
    "ReadAnswer": "fedrec.dualrec.answers",
    "ScoringExhibit": "fedrec.dualrec.published",
    "TitleIndex": "fedrec.dualrec.titles",
    "TitleMatch": "fedrec.dualrec.titles",
    "TitleTrie": "fedrec.dualrec.trie",
    "catalogue_trie": "fedrec.dualrec.trie",
    "choose_weight": "fedrec.dualrec.rerank",
    "exhibit_of_published_scoring": "fedrec.dualrec.published",
    "read_answer": "fedrec.dualrec.answers",
    "read_dualrec_prompt": "fedrec.dualrec.prompt",
    "read_permutation": "fedrec.dualrec.permutation",
    "reranked": "fedrec.dualrec.rerank",
    "reranked_as_published": "fedrec.dualrec.rerank",
    "shown_titles": "fedrec.dualrec.title_forms",
    "title_processor": "fedrec.dualrec.logits",
}

__getattr__, __dir__ = lazy_exports(__name__, _HOMES)
