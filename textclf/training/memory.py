"""How much memory this process took."""

import sys


def peak_megabytes() -> int | None:
    """Return the most memory that this process had at a time, in MB; None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    units_a_megabyte = 1024 * 1024 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_a_megabyte)
