"""Layers that models are built of: gate, fusion, views, sequence encoders."""
