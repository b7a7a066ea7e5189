"""SASRec, a baseline model: ID embeddings under a causal transformer.

Kang & McAuley, ICDM 2018, in the pre-norm form of its later reproductions; the loss is chosen
apart from the model (Klenitskiy & Vasilev, RecSys 2023). Rows start at random, whatever
``model.identity-start`` says: what text is worth at the start, a hybrid of the one view shows.
"""

from fedrec.models.identity_rows import IdentityRows


class SASRec(IdentityRows):
    """Self-attentive sequential recommendation; its encoder is the causal transformer."""
