"""Plots and tables that know no workspace."""
