"""Data: readers of files, preparation, storage, splits, partitions, scenarios, domains."""
