"""What the service reports about itself: metrics, log, and the id of each request."""
