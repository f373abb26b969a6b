"""Stand-in: no chart is drawn."""
