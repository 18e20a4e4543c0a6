"""Config Manager's configs API under load."""
