"""Reports derive from the journal alone."""
