"""External sources of sign-in: OIDC and OAuth providers, LDAP directories, PAM (TEN-12, TEN-21)."""
