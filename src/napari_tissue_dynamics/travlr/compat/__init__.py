"""The estimator of the original SpaceTravLR package, as an adapter."""
