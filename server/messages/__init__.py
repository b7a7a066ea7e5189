"""Messages to clients: exchange over a Grid, reported failures, registration, private state."""
