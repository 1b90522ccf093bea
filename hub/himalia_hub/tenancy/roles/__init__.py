"""Roles: built-in and custom ones, who holds them, and what may be granted by whom."""
