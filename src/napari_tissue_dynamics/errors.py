"""Errors that this package raises on purpose, with messages written for the user."""


class TissueDynamicsError(Exception):
    """Base of all errors that carry a sentence for the user."""


class DataError(TissueDynamicsError, ValueError):
    """The input cannot be used; the message states what was found, what was expected and what to do."""


class FitError(TissueDynamicsError):
    """A fit stopped for a reason other than the input; the message states why and what to try."""
