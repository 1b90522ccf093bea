"""Who is signed in: telling the hub whose sessions ended, and ending idle ones (TEN-2, TEN-6, TEN-17)."""
