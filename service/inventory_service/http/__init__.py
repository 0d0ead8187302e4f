"""What all requests have in common: who asks, how often, which version, what an error looks like.

Not what any one of them is about: bodies are the schemas', routes the API's.
"""
