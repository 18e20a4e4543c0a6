"""The reference system "LLM Config Manager"."""
