"""Where cells end up: macrostates, absorption, driver genes."""
