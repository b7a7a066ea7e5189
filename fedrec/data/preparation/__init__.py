"""From a source, a name or files, to a prepared dataset on disk."""
