"""Imports: from bytes somebody sent to checked items of a dataset, refusals reported one by one."""
