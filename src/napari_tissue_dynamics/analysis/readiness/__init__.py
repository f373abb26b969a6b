"""Whether a file is ready for a fit, and what the fit costs."""
