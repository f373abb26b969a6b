"""Parts of docks that know the workspace."""
