"""When others were working on the machine."""

# Cores kept busy by others that a reader has to know of.
BUSY = 0.1


def is_disturbed(threads: int, busy_cores: float) -> bool:
    """Whether so many cores kept busy by others make rows of several threads mean nothing."""
    return threads > 1 and busy_cores > BUSY
