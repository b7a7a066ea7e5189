"""The device side: a thin Flower ClientApp, what stays on the device, what leaves it."""
