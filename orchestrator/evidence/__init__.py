"""What proves a release: the witness beside it, the record it leaves, the report people read."""
