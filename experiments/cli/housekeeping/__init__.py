"""Commands about what is on this machine: runs, caches, versions, and what a config key means."""
