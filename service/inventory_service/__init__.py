"""The inventory service: products, stock and restocks over HTTP, with Prometheus metrics."""
