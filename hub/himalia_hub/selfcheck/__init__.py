"""``himalia selfcheck``: the whole line, headless, against a running platform, with real data."""
