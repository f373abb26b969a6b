"""Tissues whose velocity, time, regimes and betas are known."""
