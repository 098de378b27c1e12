"""Jobs: commands that a timer runs, one at a time, each run with a record."""
