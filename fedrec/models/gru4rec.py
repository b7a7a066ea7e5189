"""GRU4Rec, a baseline model: ID embeddings under gated recurrent units.

Hidasi et al., ICLR 2016, with rows tied between input and output ("constrained embeddings",
Hidasi & Karatzoglou, CIKM 2018) and the loss chosen apart from the model; a whole history is read,
not a session. Rows start at random, whatever ``model.identity-start`` says.
"""

from fedrec.models.identity_rows import IdentityRows


class GRU4Rec(IdentityRows):
    """Sequential recommendation by a recurrent network; its encoder is the recurrent one."""
