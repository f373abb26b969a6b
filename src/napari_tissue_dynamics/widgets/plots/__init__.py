"""Plots and tables that are independent of the workspace."""
