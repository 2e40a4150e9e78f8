"""`replicator init`: make a repository."""

from __future__ import annotations

import time

from replicator.cli.options import Json, Repo, say, warn_if_plain


def init(repo: Repo, *, json: Json = False) -> None:
    """Make a repository that belongs to no environment yet. A second time changes nothing."""
    from replicator.repository.format import initialise
    from replicator.repository.repository import Repository, random_token
    from replicator.stores.url import make_folder, open_store

    make_folder(repo)
    store = open_store(repo)
    made = initialise(store, environment=None, witness=None, clock=time.time, token=random_token)
    warn_if_plain(Repository(repo, store))
    say({"repository": made.repository, "url": store.url}, f"{store.url} is ready", as_json=json)
