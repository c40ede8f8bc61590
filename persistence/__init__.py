"""What is kept: PostgreSQL, the journal that writes to it, and an in-memory stand-in beside it."""
