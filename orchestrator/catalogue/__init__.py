"""One page of all releases and all load tests."""
