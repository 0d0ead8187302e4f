"""The servers and tools: how each is built from the Go module proxy, and where the results are kept."""
