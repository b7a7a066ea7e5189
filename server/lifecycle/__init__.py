"""The lifecycle of a run: its directory, signals, the stop file."""
