"""Dialogs: a form on one side, one frozen settings object on the other, no work."""
