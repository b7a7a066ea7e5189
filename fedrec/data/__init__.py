"""From raw files to sequences: loaders, preparation, storage, splits, partitions, negatives."""
