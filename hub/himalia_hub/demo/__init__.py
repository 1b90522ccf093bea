"""The demo organisation of ``himalia up --demo``: people to try roles with, and a way in for its data."""
