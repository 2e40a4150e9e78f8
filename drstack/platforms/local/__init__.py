"""A site that is a folder on this machine, its processes kept by supervisord."""
