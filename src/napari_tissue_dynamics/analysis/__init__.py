"""From velocities to transitions, arrows and confidence."""
