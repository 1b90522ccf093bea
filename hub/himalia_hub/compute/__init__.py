"""The engine: work that occupies resources, from admission to its last second."""
