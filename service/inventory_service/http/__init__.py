"""What all requests have in common: authentication, rate limit, versions, idempotency keys, errors."""
