"""Mutation sample: faults put into drawn lines of the code, and what the default tests say."""
