"""The load gate: an export in a process like TensorFlow Serving's, asked before a server is."""
