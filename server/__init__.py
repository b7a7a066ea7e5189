"""The coordinator side: a thin Flower ServerApp, the round, selection, replies, strategies."""
