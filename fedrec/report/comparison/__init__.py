"""Complete runs compared: pooled over seeds, paired by user, as tables, figures and a page."""
