"""Learning: the loop, its step, its devices and checkpoints, and what watches it."""
