"""What scenarios need to know of LLM Config Manager: its traffic, its steady state, its faults and its rows."""
