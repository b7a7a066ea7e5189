"""Models without a federation: fit, evaluate, recommend, save and load."""
