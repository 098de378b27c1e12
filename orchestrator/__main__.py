"""`python -m orchestrator`: the same as `stackctl`."""

from orchestrator.cli import main

main()
