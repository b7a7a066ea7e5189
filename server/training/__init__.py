"""The training half of a round: train messages, collected replies, participation."""
