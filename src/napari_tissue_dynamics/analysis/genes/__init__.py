"""Genes: rates, trends along time, phase portraits, experts."""
