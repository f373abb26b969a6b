"""The histology: where tissue is, and whether the cells lie on it."""
