"""Layers of the viewer: the only place that adds or changes them."""
