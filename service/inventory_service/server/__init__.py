"""The HTTP server: waitress, with deadlines and limits of our own, an orderly end, and a listener for the probes."""
