"""Models with several weight sets side by side."""
