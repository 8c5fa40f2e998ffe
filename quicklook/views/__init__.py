"""Panes that show one thing each. They know the session and core results, never each other."""
