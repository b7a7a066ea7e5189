"""What an item means: its text, a frozen encoder, and the whitened table of vectors."""
