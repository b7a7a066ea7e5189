"""The embedded synthetic data: generating process and the words of its catalogue."""
