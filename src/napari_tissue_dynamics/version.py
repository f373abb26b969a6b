"""The version of this package, for the files it writes; it lies apart so that no file imports the front door."""

__version__ = "0.2.0.dev0"
