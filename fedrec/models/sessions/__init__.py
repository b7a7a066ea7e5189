"""Models of sessions: recurrent with attention, attention to the newest item, graphs of items."""
