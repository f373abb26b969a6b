"""Neighbor graphs of cells and moments over them."""
