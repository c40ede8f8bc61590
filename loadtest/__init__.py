"""A load generator that knows a server only by what it says on the wire."""
