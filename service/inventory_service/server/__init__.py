"""How gunicorn runs the application: its settings, its worker, its log.

They never change how a request is answered.
"""
