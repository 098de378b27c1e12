"""What is done with a stack as a whole: brought up, looked at, compared with the wish, taken down."""
