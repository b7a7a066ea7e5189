"""Client granularity: whether a partition is a client, or every user of it is one."""
