"""Labelling: operations appended to a log and folded into the items' documents (BEY-12)."""
