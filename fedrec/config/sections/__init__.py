"""The sections of the run config: frozen, typed, checked where they are made; a file each."""
