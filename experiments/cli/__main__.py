"""``python -m experiments.cli``: the same as the console command ``fedrec``."""

from experiments.cli.main import main

main()
