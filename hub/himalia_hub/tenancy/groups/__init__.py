"""Groups of an organisation's members, and the roles granted to them."""
