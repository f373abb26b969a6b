"""What STEER knows before its network is trained."""
