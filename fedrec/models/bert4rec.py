"""BERT4Rec, a baseline model: ID embeddings under a bidirectional transformer.

Sun et al., CIKM 2019, in pre-norm form and with rows tied between input and output; what is hidden
in training, ``fedrec.training.cloze`` says. Rows start at random, whatever ``model.identity-start``
says: BERT4Rec with rows from text is a hybrid with ``views = "identity"``, ``encoder =
"bidirectional"``.
"""

from fedrec.models.identity_rows import IdentityRows


class BERT4Rec(IdentityRows):
    """Bidirectional encoder representations; its encoder is the bidirectional transformer."""
