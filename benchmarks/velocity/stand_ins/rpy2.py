"""Stand-in: the functions that need R are replaced."""
