"""What the service tells about itself: metrics, log, and the id of each request.

Not whether it is ready: that is for the API to say.
"""
