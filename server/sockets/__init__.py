"""The WebSocket routes under /api."""
