"""The run config: sections, flat keys, checks of values, renamed keys, user code."""
