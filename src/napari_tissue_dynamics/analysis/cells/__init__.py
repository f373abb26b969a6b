"""Cells: found, reported, embedded, and compared by region."""
