"""Access to the HTTP interface: tokens, login sessions, roles and the limit on failed attempts."""
