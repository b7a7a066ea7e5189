"""Complete runs as rows of one table for each dataset and protocol."""
