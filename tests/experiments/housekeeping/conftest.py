"""The command in this process, and run folders of known numbers."""

from tests.experiments.cli.conftest import fedrec
from tests.run_folders import make_run

__all__ = ["fedrec", "make_run"]
