#!/bin/sh
# Install fedrec into .venv and run ten clients on embedded data by Flower's own command.
set -eu
cd "$(dirname "$0")/.."
sh scripts/install.sh
. .venv/bin/activate
# Without the first variable every run installs the dependencies anew.
export FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION=1 OMP_NUM_THREADS=1
flwr run . --stream --federation-config "num-supernodes=10 client-resources-num-cpus=1"
