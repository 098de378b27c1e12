"""What is wanted: stack.yaml, read, checked and named."""
