"""The run folder: read, written, and shown without secrets."""
