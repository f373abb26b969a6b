"""Many genes: workers, stores and runs."""
