#!/bin/sh
# Make .venv and install fedrec into it. $1: what pip installs, ".[offline]" by default.
set -eu
cd "$(dirname "$0")/.."
python3 -m venv .venv
# torch first: it keeps Linux from fetching CUDA packages where a CPU build is offered. PyPI's build
# is that for CUDA; TORCH_INDEX=https://download.pytorch.org/whl/cpu names that for the CPU.
.venv/bin/pip install torch==2.13.0 -c constraints.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
.venv/bin/pip install -c constraints.txt ${2:-} "${1:-.[offline]}"
