"""Every guard of the code taken out, one at a time, to see that the tests notice."""
