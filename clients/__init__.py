"""Client side: the Flower ClientApp, its message handlers, local training and private state."""
