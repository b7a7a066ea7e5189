"""Sequential recommenders, their parts, their losses and the groups of their parameters."""
