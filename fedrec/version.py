"""The version of this package; pyproject.toml says the same, which Flower reads (a test)."""

__version__ = "0.2.0"
