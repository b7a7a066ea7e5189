"""Files on disk: where they are kept, and how they are written, locked and checked."""
