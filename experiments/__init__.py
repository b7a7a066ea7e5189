"""The command line, and what is run with it: engines, references, presets, measured results."""
