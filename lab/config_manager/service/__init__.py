"""A small, honest LLM Config Manager: encrypted configuration entries in PostgreSQL behind a Redis cache."""
