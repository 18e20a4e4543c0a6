"""A system that is seen by its addresses alone, from outside."""
