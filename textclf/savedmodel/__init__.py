"""A run as a SavedModel: the graph with its signatures, and what stands beside it."""
