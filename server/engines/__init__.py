"""Engines of our own behind Flower's Grid: in this process, and on Ray."""
