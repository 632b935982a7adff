"""What the operator sees: the access log."""
