"""Notebooks: named servers that the hub starts and the engine runs like any other work."""
