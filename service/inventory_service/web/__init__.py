"""The pages for the people in the store: rendered here, working without JavaScript.

They never hold a rule of the inventory: they ask the same `inventory` and check by the same schemas as the API.
"""
