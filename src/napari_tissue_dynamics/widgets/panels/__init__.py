"""Parts of docks that use the workspace."""
