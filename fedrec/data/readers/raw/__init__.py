"""Bytes of files: out of archives, as text, as rows and records."""
