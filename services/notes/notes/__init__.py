"""Notes: a small service that keeps notes in MongoDB."""
