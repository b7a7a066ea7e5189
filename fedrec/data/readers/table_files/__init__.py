"""A user's own table of events as a file: which file, unpacked, by content, to named columns."""
