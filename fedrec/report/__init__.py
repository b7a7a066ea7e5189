"""What a run leaves behind, read back: history, figures, tables and one page."""
