"""Client sampling: the population, the cohort of a round, unavailable clients."""
