"""Container images: stand-ins for public ones, our own two, and what is on the node."""
