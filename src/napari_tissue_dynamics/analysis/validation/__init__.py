"""Velocities held against a known order, a known truth or each other."""
