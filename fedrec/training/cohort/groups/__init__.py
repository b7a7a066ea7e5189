"""Groups of users: who trains side by side, on which rows, and the tensors of their steps."""
