"""The outermost ring: knows everybody, and nobody knows it.

wiring   settings -> stores -> services -> blueprints
wsgi     the application that granian serves
cli      `idhub`
storage  SQL and key-value stores behind the contracts of the inner rings
"""
