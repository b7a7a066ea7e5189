"""What is on this machine: runs, caches, versions, processes; and what a config key means."""
