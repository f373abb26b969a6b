"""Betas that vary smoothly over the tissue."""
