"""The pages for the people in the store: rendered here, working without JavaScript.

They call the same `inventory` and check by the same schemas as the API.
"""
