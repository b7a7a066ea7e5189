"""DUALRec: what follows the training of its first stage, and the table of all stages."""
