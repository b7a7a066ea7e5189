"""Evaluation over clients: ranks collected, metrics of a round, final results."""
