"""Learning: the loop, its step, what watches it, and the run directory that it leaves."""
