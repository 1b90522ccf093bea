"""Label groups: the names, colours and keys that items are labelled with (DAT-7)."""
