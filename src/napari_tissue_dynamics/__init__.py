"""RNA velocity and spatially varying gene regulation in tissue, for napari, Python and the command line."""

__version__ = "0.1.0"
