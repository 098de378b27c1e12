"""Telling others what came of a release: CI systems, chat rooms, monitoring. Never a reason to fail."""
