"""The router of an environment whose sites are local: Caddy, in a folder of its own outside all sites."""
