"""Sweeps: configs x presets x seeds, and the one engine that makes the runs of any study."""
