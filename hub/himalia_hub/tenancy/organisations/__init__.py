"""Organisations: what a platform administrator makes, edits, closes and deletes."""
