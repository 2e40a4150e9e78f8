"""An environment's keys: made once, kept in an operator's folder outside of all sites, listed by assignments."""
