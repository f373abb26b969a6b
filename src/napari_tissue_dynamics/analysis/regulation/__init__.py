"""Betas read by cell: reports, senders, interactions."""
