"""Departments of an organisation."""
