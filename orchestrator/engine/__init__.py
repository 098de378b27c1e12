"""Where containers run: the protocol that the rest relies on, and Docker behind it."""
