"""From a run config to the things it names.

Both sides of a federation and the central reference open them here, so that the same config
means the same model everywhere.
"""
