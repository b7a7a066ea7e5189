"""Odd configs, hostile clients and damaged run folders: ``python -m experiments.fuzz.configs``."""
