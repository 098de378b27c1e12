"""Faults put into releases on purpose, and what became of users and of the stack."""
