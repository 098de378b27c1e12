"""`stackctl init`: makes a stack.yaml of what a repository has: compose files, a Dockerfile, answers."""
