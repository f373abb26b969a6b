"""Velocities as arrows, grids, streamlines and particles, and how sure they are."""
