"""The published estimators: seeds, lasso and spatial networks."""
