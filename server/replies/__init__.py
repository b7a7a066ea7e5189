"""Reply validation: what a mean or a metric may contain, and why a reply is rejected."""
