"""Settings and choices as forms."""
