"""Local training of many one-user clients side by side, equal to a loop over them."""
