"""Regulators, ligand-receptor pairs and target links."""
