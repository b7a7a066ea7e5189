"""Messages to clients: exchange over a Grid, registration, private client state."""
