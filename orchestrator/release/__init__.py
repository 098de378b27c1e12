"""What changes a stack: the release and everything it decides."""
