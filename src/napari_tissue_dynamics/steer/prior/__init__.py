"""Priors of STEER, computed before its network is trained."""
