"""Ablation studies: the grid, its tasks on Ray, their progress."""
