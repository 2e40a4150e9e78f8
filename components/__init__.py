"""Pulumi components, one a file, named by purpose; imported as `drstack.components`."""
