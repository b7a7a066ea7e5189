"""What one client does with its sequences: batches, dropout masks, local steps."""
