"""Updates on their way to the server: bounds and quantization."""
