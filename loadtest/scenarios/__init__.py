"""What people do in a load test: one short story a file."""
