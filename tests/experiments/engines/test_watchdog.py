"""The last words of a command that is killed, or that its engine ends."""

import subprocess
import sys

import pytest

BODY = """
import os, signal, sys
from pathlib import Path
from experiments.engines.watchdog import watched
folder = Path(sys.argv[1])
with watched("a mark of this test", folder, last_words="error: killed; go on with: fedrec resume"):
    if sys.argv[2] != "well":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("how", "said"), [("killed", "error: killed; go on with: fedrec resume\n"), ("well", "")]
)
def test_a_command_that_is_killed_says_how_to_go_on(tmp_path, how, said):
    folder = tmp_path / "scratch" / "engine"
    folder.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", BODY, str(folder), how], capture_output=True, text=True, check=False
    )
    assert done.stderr == said
    assert folder.exists() == (how == "well")  # what is left of a killed one is removed
