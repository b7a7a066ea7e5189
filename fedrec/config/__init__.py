"""The run config: sections, dotted keys, checks of values, code that a user brings."""
