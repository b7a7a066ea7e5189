"""The run folders of ``tests.run_folders``, as fixtures."""

from tests.run_folders import make_run, report

__all__ = ["make_run", "report"]
