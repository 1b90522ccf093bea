"""Search of everything a person may see, by name or number."""
