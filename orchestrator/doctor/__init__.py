"""Looks at a machine and an engine before anything is changed: what would stand in the way, and its mend."""
