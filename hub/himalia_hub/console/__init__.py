"""The console of administrators: what an installation or an organisation still lacks."""
