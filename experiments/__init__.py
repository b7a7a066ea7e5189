"""The command line, and what is run with it: engines, baselines, presets, measured results."""
