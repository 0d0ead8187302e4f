"""What can be asked of the inventory: the rules of stock, in terms of sessions and models.

It never knows HTTP: no request, no status code, no JSON.
"""
