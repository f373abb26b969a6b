"""What is open, running and remembered in one window."""
