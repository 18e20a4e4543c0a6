"""The practice range: reference systems and the ways to run them."""
