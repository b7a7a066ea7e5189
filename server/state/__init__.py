"""The state of the server, which a round changes, and its context, the same over all rounds."""
