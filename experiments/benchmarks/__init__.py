"""Tables of the documentation, made again from nothing, each from a file of rows."""
