"""Versions that are loaded and asked: what stands behind the local server, whatever it speaks."""
