"""SDKs of the provider and of the component package, generated from their schemas for other languages."""
