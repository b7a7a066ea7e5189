#!/bin/sh
# Install fedrec with its development tools into .venv and run the default tests.
set -eu
cd "$(dirname "$0")/.."
sh scripts/install.sh ".[dev,docs]" -e
. .venv/bin/activate
python -m pytest "$@"
