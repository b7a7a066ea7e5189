"""Aggregation: strategies, their state, Adam on the server, sparse row averaging."""
