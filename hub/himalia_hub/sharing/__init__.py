"""Sharing: whom an owner shows a thing to. What a share opens is decided in ``core``."""
