"""The docks: the only part of the package that uses napari and Qt."""
