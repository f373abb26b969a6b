"""Results as napari layer tuples, without napari."""
