"""What a value of a key may be: checks, closed lists, import strings of user code."""
