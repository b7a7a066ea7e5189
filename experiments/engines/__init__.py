"""One run on one engine: inline, Flower's simulation or Ray; and resuming it."""
