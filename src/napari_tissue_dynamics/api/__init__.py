"""The public functions, one file for each; they are reached as names of the package itself."""
