"""Ablation studies: the grid of variants of a preset, whose runs the engine of a sweep makes."""
