"""What a notebook cell shows of our objects."""
