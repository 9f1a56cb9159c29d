"""The same drill on the user's own staging clusters."""
