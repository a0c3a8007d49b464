"""From a gated network to a plain one."""
