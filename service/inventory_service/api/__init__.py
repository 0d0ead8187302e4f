"""The routes: a blueprint for each noun, views that parse, ask the store and answer.

They never hold a rule of the inventory and never touch a table.
"""
