"""Who may read a repository and whose word counts in it: suites, keys, the trust file. Knows no store and no log."""
