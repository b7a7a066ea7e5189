"""The ``fedrec`` command: one file for each group of commands."""
