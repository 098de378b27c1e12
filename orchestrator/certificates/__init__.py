"""Certificates of the gateway: what they say, whether a pair can be served, which one a name gets."""
