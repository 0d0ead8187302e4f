"""What is done before the service can serve: the schema, sample products, tokens from files."""
