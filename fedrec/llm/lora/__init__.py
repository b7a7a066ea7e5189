"""Low-rank adapters of a language model, trained by a federation: only adapters travel."""
