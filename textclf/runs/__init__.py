"""A whole run: from a config to a run directory, and the directory read back."""
