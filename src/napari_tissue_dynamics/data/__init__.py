"""Tissues, results and their way in and out of AnnData."""
