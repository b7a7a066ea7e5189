"""Figures of one run: convergence, clients, final results."""
