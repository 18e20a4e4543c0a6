"""Docker Compose: containers of one project, found and held by their labels through the engine."""
