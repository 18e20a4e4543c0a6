"""LLM Config Manager: the statements of its Operations Documentation and its Startup and Shutdown Procedures."""
