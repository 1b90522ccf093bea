"""Members: people of an organisation, one by one and by the file."""
