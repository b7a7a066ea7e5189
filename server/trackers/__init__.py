"""Experiment trackers beside the run folder: TensorBoard, MLflow, Weights & Biases."""
